"""A graph on the terminal: its nodes, who teaches whom what, and what is trained for the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.node_text import spell_sides
from trichord.graphs.words import payload_settings, payload_word, spell_value
from trichord.modality import Modality
from trichord.reports.console import make_console
from trichord.reports.graphs.facts import GraphFacts, graph_facts
from trichord.reports.numbers import counted, listed


def print_graph(graph: GraphConfig, known: Sequence[Modality], console: Console | None = None) -> None:
    """Print a graph in words."""
    console = console or make_console()
    console.print(Group(*_graph(graph, known)))


def _graph(graph: GraphConfig, known: Sequence[Modality]) -> Iterator[RenderableType]:
    facts = graph_facts(graph, known)
    yield Text(f"\n{_headline(facts)}", style="bold")
    grid = _grid("node", "role", "answers", "own loss", "network")
    for name, node in graph.nodes.items():
        style = "" if name in facts.needed else "dim"
        answers = f"mean of {listed(node.members)}" if node.members else spell_sides(node, known)
        own = _own_loss(node, graph.labels.get(name))
        grid.add_row(*(Text(cell) for cell in (name, node.role, answers, own, _network(node))), style=style)
    yield grid
    edges = [edge for edge in graph.edges if edge.gate.open]
    if edges:
        yield Text("\nWho teaches whom", style="bold")
        grid = _grid("from", "to", "what", "when", "how")
        for edge in edges:
            style = "" if edge.target in facts.needed else "dim"
            cells = (edge.source, edge.target, _what(edge), explain_gate(edge.gate), _how(edge))
            grid.add_row(*(Text(cell) for cell in cells), style=style)
        yield grid
    yield Text("")
    yield from (Text(line) for line in explain(facts))


def explain(facts: GraphFacts) -> Iterator[str]:
    """Say in sentences what is trained for the target and what is not needed."""
    beside = [name for name in facts.trained if name != facts.target]
    yield f"For {facts.target}, {_subject(facts.trained)} trained{f' ({listed(beside)} beside it)' if beside else ''}."
    if facts.unneeded:
        verb = "changes" if len(facts.unneeded) == 1 else "change"
        yield f"{listed(facts.unneeded)} {verb} nothing about {facts.target}."


def explain_gate(gate: GateConfig) -> str:
    """Say what an open gate does."""
    if gate.kind == "correct":
        return "where the source is right" if gate.top == 1 else f"where the source is right among its first {gate.top}"
    return {"through": "always", "linear": "more and more", "negative linear": "less and less"}[gate.kind]


def _headline(facts: GraphFacts) -> str:
    networks = f"{counted(len(facts.networks), 'network')}, {len(facts.learning)} of them learning"
    return f"{networks}, target {facts.target}{f': {facts.special_case}' if facts.special_case else ''}"


def _subject(trained: Sequence[str]) -> str:
    return "1 network is" if len(trained) == 1 else f"{len(trained)} networks are"


def _own_loss(node: NodeConfig, gate: GateConfig | None) -> str:
    if not node.learns:
        return "–"
    if gate is None or not gate.open:
        return "never: no labels"
    return "always" if gate.kind == "correct" else explain_gate(gate)


def _network(node: NodeConfig) -> str:
    kind = "adapter" if node.adapter else node.model or ("" if node.members else "the recipe's own")
    more = (kind, f"of {node.order}" if node.order else "", f"from {node.start}" if node.start else "")
    return ", ".join(filter(None, more))


def _what(edge: EdgeConfig) -> str:
    word = payload_word(edge.payload)
    settings = payload_settings(edge.payload, word)
    if hasattr(edge.payload, "temperature"):
        settings["temperature"] = edge.payload.temperature
    return ", ".join([word, *(f"{name.replace('_', ' ')} {spell_value(value)}" for name, value in settings.items())])


def _how(edge: EdgeConfig) -> str:
    effect = "push apart" if edge.effect == "push" else "pull together"
    return effect if edge.weight == 1 else f"{effect}, weight {spell_value(edge.weight)}"


def _grid(*headings: str) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(Text(heading))
    return grid

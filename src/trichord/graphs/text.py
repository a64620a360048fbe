"""The text form of a graph, read and written here only: one statement per line, or several between semicolons.

    tv: target T-V                                # a node: its role and what it compares
    va: peer V-A model=linear                     # a kind of network that the recipe knows
    all: peer T-V of AVT                          # letters of what its own loss pulls together
    ad: peer T-A adapter                          # low-rank matrices over the base of the experiment
    old: frozen T-V from runs/vt                  # weights of a finished run
    small: peer I>digit                           # a classifier: modalities > label column
    both: ensemble tv all                         # the mean of its members
    label -> tv: through                          # a label edge and its gate
    va -> tv: similarity correct@5 temperature=0.1 weight=2
    all -> tv: embedding negative-linear push     # push: unlike the source

An edge that is not written is Cutoff.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trichord.errors import ConfigError, nearest
from trichord.graphs.edge_text import read_edge, read_label, spell_edge
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.node_rules import LABEL
from trichord.graphs.node_text import check_order, read_node, spell_node
from trichord.graphs.statements import Statement, cut, split_statements
from trichord.graphs.words import gate_word
from trichord.modality import Modality, spell


def parse_graph(text: str, known: Sequence[Modality]) -> GraphConfig:
    """Read the text form of a graph. The modalities of a side come in the order of `known`.

    Args:
        text: the statements; see the top of this file.
        known: the modalities of the data set.

    Raises:
        ConfigError: a statement that cannot be read, named by its line, or a rule of graphs that is broken.
    """
    nodes: dict[str, NodeConfig] = {}
    drawn: list[tuple[Statement, str, str, list[str]]] = []
    lines: dict[str, int] = {}
    for statement in split_statements(text):
        head, words = _halves(statement)
        arrow = re.fullmatch(r"(\S*?) ?-> ?(\S*)", head)
        name = " -> ".join(arrow.groups()) if arrow else head
        if name in lines:
            raise statement.error(f"{name} is on line {lines[name]} already; keep one of the two")
        lines[name] = statement.line
        try:
            if arrow:
                drawn.append((statement, arrow[1], arrow[2], words))
            else:
                nodes[name] = read_node(words, known)
        except ConfigError as error:
            raise statement.error(str(error)) from error
    edges: list[EdgeConfig] = []
    labels: dict[str, GateConfig] = {}
    for statement, source, target, words in drawn:
        try:
            for end in (target,) if source == LABEL else (source, target):
                if end not in nodes:
                    raise ConfigError(f"there is no node {end!r}; {nearest(end, tuple(nodes))}")
            if source == LABEL:
                labels[target] = read_label(words)
            else:
                edge = read_edge(source, target, words)
                edges += [] if edge is None else [edge]
        except ConfigError as error:
            raise statement.error(str(error)) from error
    return GraphConfig(nodes=nodes, edges=tuple(edges), labels=labels)


def spell_graph(graph: GraphConfig, known: Sequence[Modality], *, separator: str = "\n") -> str:
    """Write the text form of a graph, which `parse_graph` turns back into an equal graph.

    Args:
        graph: the graph, the modalities of its sides in the order of `known`.
        known: the modalities of the data set.
        separator: what stands between statements; "; " makes it one line.

    Raises:
        ConfigError: a modality that is not known, or a payload that has no word.
    """
    lines = [f"{name}: {spell_node(node, known)}" for name, node in graph.nodes.items()]
    lines += [f"{LABEL} -> {name}: {gate_word(gate)}" for name, gate in graph.labels.items()]
    lines += [f"{edge.name}: {spell_edge(edge)}" for edge in graph.edges]
    return separator.join(lines)


def check_letters(graph: GraphConfig, known: Sequence[Modality]) -> None:
    """Raise `ConfigError` where a node names a modality that is not known, or its order lacks one of its sides."""
    for name, node in graph.nodes.items():
        try:
            spell(node.modalities, known)
            check_order(node, known)
        except ConfigError as error:
            raise ConfigError(f"node {name}: {error}") from error


def _halves(statement: Statement) -> tuple[str, list[str]]:
    """Cut a statement at its colon; the words of its head are joined by single spaces."""
    for place, word in enumerate(statement.words):
        before, colon, after = cut(word, ":")
        if colon:
            head = [*statement.words[:place], *([before] if before else [])]
            return " ".join(head), [*([after] if after else []), *statement.words[place + 1 :]]
    raise statement.error(
        "a statement is written NODE: ROLE SIDES, or SOURCE -> TARGET: PAYLOAD GATE; the colon is missing"
    )

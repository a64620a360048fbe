"""The text form of a graph: what it says, that it comes back exactly, and what is said about a mistake."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trichord.config import from_dict
from trichord.errors import ConfigError, DataError
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.payload import PayloadConfig
from trichord.graphs.payloads import CentroidsConfig, EmbeddingConfig, GramConfig, LogitsConfig, SimilarityConfig
from trichord.graphs.reading import read_graph
from trichord.graphs.statements import cut, quote, split_statements, unquote
from trichord.graphs.text import parse_graph, spell_graph
from trichord.graphs.words import PAYLOADS, gate_words, payload_words
from trichord.modality import STANDARD, Modality

KNOWN = (*STANDARD, Modality("image", "I"))
EXAMPLE = """
# A graph with everything in it.
tv: target T-V
va : peer V-A model=linear
all: peer T-V of AVT;   ad: peer T-A adapter     # two on a line

old: frozen T-V from "my runs/#1; vt"
both: ensemble tv all
label -> tv: through
label->va: correct
va -> tv: similarity correct@5 weight=2 temperature=0.05
old->tv:gram linear
all -> tv: embedding negative-linear push
tv -> all: rows through
tv -> ad: centroids through num_clusters=8
va -> all: cutoff
"""


def edge(source: str, payload: PayloadConfig, gate: GateConfig, **more: Any) -> EdgeConfig:
    return EdgeConfig(source=source, target="tv", payload=payload, gate=gate, **more)


def test_the_example_says_what_it_says() -> None:
    graph = parse_graph(EXAMPLE, KNOWN)
    text, video, audio = ("text",), ("video",), ("audio",)
    assert graph.nodes == {
        "tv": NodeConfig(role="target", left=text, right=video),
        "va": NodeConfig(role="peer", left=video, right=audio, model="linear"),
        "all": NodeConfig(role="peer", left=text, right=video, order="AVT"),
        "ad": NodeConfig(role="peer", left=text, right=audio, adapter=True),
        "old": NodeConfig(role="frozen", left=text, right=video, start="my runs/#1; vt"),
        "both": NodeConfig(role="ensemble", members=("tv", "all")),
    }
    assert graph.labels == {"tv": GateConfig(), "va": GateConfig(kind="correct")}
    assert graph.incoming("tv") == (
        edge("va", SimilarityConfig(temperature=0.05), GateConfig(kind="correct", top=5), weight=2.0),
        edge("old", GramConfig(), GateConfig(kind="linear")),
        edge("all", EmbeddingConfig(), GateConfig(kind="negative linear"), effect="push"),
    )
    [rows] = graph.incoming("all")
    assert rows.payload == SimilarityConfig(direction="rows")
    assert graph.incoming("ad")[0].payload == CentroidsConfig(num_clusters=8)
    assert len(graph.edges) == 5, "an edge that is only said to be cutoff is none"


def test_the_example_is_spelled_shortly_and_in_one_way() -> None:
    spelled = spell_graph(parse_graph(EXAMPLE, KNOWN), KNOWN)
    assert spelled.splitlines() == [
        "tv: target T-V",
        "va: peer V-A model=linear",
        "all: peer T-V of AVT",
        "ad: peer T-A adapter",
        'old: frozen T-V from "my runs/#1; vt"',
        "both: ensemble tv all",
        "label -> tv: through",
        "label -> va: correct",
        "va -> tv: similarity correct@5 temperature=0.05 weight=2",
        "old -> tv: gram linear",
        "all -> tv: embedding negative-linear push",
        "tv -> all: rows through",
        "tv -> ad: centroids through num_clusters=8",
    ]
    assert spell_graph(parse_graph(spelled, KNOWN), KNOWN) == spelled
    one_line = spell_graph(parse_graph(EXAMPLE, KNOWN), KNOWN, separator="; ")
    assert "\n" not in one_line
    assert parse_graph(one_line, KNOWN) == parse_graph(EXAMPLE, KNOWN)


def test_a_label_column_that_could_be_modalities_is_quoted() -> None:
    node = NodeConfig(role="target", left=("video", "audio"), label="T")
    graph = GraphConfig(nodes={"a": node}, labels={"a": GateConfig()})
    assert spell_graph(graph, KNOWN, separator="; ") == 'a: target VA>"T"; label -> a: through'
    assert parse_graph(spell_graph(graph, KNOWN), KNOWN) == graph
    with pytest.raises(ConfigError, match=r'write VA-T, for the column write VA>"T"'):
        parse_graph("a: target VA>T; label -> a: through", KNOWN)


FREE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
GATES = st.sampled_from(["through", "cutoff", "linear", "negative linear", "correct"])
POSITIVE = st.floats(1e-6, 1e6) | st.sampled_from([0.1, 1.0, 0.05, 1 / 3])


@st.composite
def gates(draw: st.DrawFn) -> GateConfig:
    kind = draw(GATES)
    return GateConfig(kind=kind, top=draw(st.integers(1, 20)) if kind == "correct" else 1)


@st.composite
def payloads(draw: st.DrawFn, *, classes: bool, vectors: bool) -> PayloadConfig:
    options: list[st.SearchStrategy[Any]] = []
    if classes:
        options.append(st.builds(LogitsConfig, temperature=POSITIVE))
    else:
        directions = st.sampled_from(["both", "rows", "columns"])
        options.append(st.builds(SimilarityConfig, direction=directions, temperature=POSITIVE))
    if vectors:
        options += [
            st.builds(GramConfig, temperature=POSITIVE),
            st.builds(CentroidsConfig, num_clusters=st.integers(1, 99), temperature=POSITIVE),
        ]
    return draw(st.one_of(options))


@st.composite
def graphs(draw: st.DrawFn) -> GraphConfig:
    """Draw a graph of up to five nodes, the last two of which may be frozen or an ensemble."""
    classes = draw(st.booleans())
    names = draw(st.lists(st.from_regex(r"x[A-Za-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=5, unique=True))
    column = draw(FREE)
    nodes = {}
    for place, name in enumerate(names):
        role = "target" if place == 0 else draw(st.sampled_from(["peer", "peer", "frozen"]))
        if place == 4 and draw(st.booleans()):
            nodes[name] = NodeConfig(role="ensemble", members=tuple(names[: draw(st.integers(2, 4))]))
            continue
        left, right = draw(st.sampled_from([(("video",), ("audio", "text")), (("text",), ("video",))]))
        start = draw(FREE if role == "frozen" else st.just("") | FREE)
        common = {"role": role, "left": left, "model": draw(st.just("") | FREE), "start": start}
        if classes:
            nodes[name] = NodeConfig(**common, label=column)
        else:
            order = draw(st.sampled_from(["", "AVT", "TAV", "ITVA"]))
            nodes[name] = NodeConfig(**common, right=right, order=order, adapter=draw(st.booleans()))
    learning = [name for name, node in nodes.items() if node.learns]
    labels = {name: GateConfig(kind="linear") for name in learning}
    edges = []
    for source, target in permutations(names, 2):
        if target in learning and draw(st.booleans()):
            payload = draw(payloads(classes=classes, vectors=nodes[source].role != "ensemble"))
            effect, weight = draw(st.sampled_from(["pull", "push"])), draw(POSITIVE)
            edges.append(
                EdgeConfig(
                    source=source, target=target, payload=payload, gate=draw(gates()), effect=effect, weight=weight
                )
            )
    return GraphConfig(nodes=nodes, edges=tuple(edges), labels=labels)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # type checks look at random entries
@settings(max_examples=50, deadline=None)
@given(graphs(), st.sampled_from(["\n", "; ", "\n\n"]))
def test_every_graph_comes_back_exactly(graph: GraphConfig, separator: str) -> None:
    text = spell_graph(graph, KNOWN, separator=separator)
    assert parse_graph(text, KNOWN) == graph
    assert from_dict(json.loads(json.dumps(graph.to_dict()))) == graph


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_any_text_can_be_quoted_as_one_word(value: str) -> None:
    assert unquote(quote(value)) == value
    [statement] = split_statements(f"a: {quote(value)} b; # c")
    assert statement.words == ("a:", quote(value), "b")
    assert cut(quote(value), "=")[0] == quote(value), "what is quoted is never cut"


@given(st.text('tva:->; \n"#=@TVA>', max_size=40))
def test_nonsense_is_a_graph_or_an_explained_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_graph(text, KNOWN), GraphConfig)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "label -> tv: thru",
            "line 3, 'label -> tv: thru': there is no gate 'thru'; did you mean 'through'?",
        ),
        ("va -> tv: rows correct@0", "'correct@0' is no gate"),
        ("va -> tv: rows correct@", "'correct@' is no gate"),
        ("va -> tv: rows linear@2", "only correct has a number of places"),
        ("va -> tv: similarty through", "no payload 'similarty'; did you mean 'similarity'?"),
        ("va -> tv:", "after the colon come a payload and a gate"),
        ("va -> tv: linear", "the payload comes first, then its gate: PAYLOAD linear"),
        ("va -> tv: cutoff weight=2", "the payload comes first"),
        ("va -> tv: rows", "after the payload comes its gate: rows GATE; gates: through"),
        ("va -> tv: rows push", "after the payload comes its gate"),
        ("va -> tv: rows temperature=1 through", "after the payload comes its gate"),
        ("va -> tv: rows thruogh", "no gate 'thruogh'; did you mean 'through'?"),
        ("va -> tv: rows through temprature=1", "rows has no setting 'temprature=1'; did you mean 'temperature'?"),
        ("va -> tv: embedding through temperature=1", "embedding has no setting"),
        ("va -> tv: rows through temperature", "write temperature=VALUE"),
        ("va -> tv: rows through push=1", "write push"),
        ("va -> tv: rows through temperature=hot", "temperature is a number, got 'hot'"),
        ("va -> tv: rows through temperature=0", "above 0"),
        ("va -> tv: centroids through num_clusters=1.5", "num_clusters is a whole number, got '1.5'"),
        ("va -> tv: rows through weight=0", "the weight of edge va -> tv must be above 0"),
        ("va -> tv: rows through weight=1 weight=2", "weight is given twice"),
        ("va -> tv: similarity through direction=up", "there is no direction 'up'; known: both, columns, rows"),
        ("vva -> tv: rows through", "no node 'vva'; did you mean 'va'?"),
        ("tv -> vva: rows through", "no node 'vva'; did you mean 'va'?"),
        ("label -> vva: through", "no node 'vva'; did you mean 'va'?"),
        ("va -> label: rows through", "no node 'label'"),
        ("label -> tv: rows through", "a label edge has a gate and nothing else"),
        ("label -> tv:", "a label edge has a gate and nothing else"),
        (
            "x: T-V",
            "after the colon comes the role of the node: 'T-V' is no role; known: ensemble, frozen, peer, target",
        ),
        ("x: pear T-V", "'pear' is no role; did you mean 'peer'?"),
        ("x:", "after the colon comes the role of the node"),
        ("x: peer", "after the role comes what the node compares"),
        ("x: peer T-Q", "names a modality that is not there (Q); known: V = video"),
        ("x: peer T-T", "disjoint"),
        ("x: peer TV-A-I", "a pair is spelled like V-T"),
        ("x: peer T>", "names no label column"),
        ("x: peer T-V modle=a", "no setting 'modle=a'; did you mean 'model'?"),
        ("x: peer T-V model", "write model=NAME"),
        ("x: peer T-V model=", "nothing follows model; write model=NAME"),
        ("x: peer T-V adapter=yes", "write adapter"),
        ("x: peer T-V from", "nothing follows from; write from RUN"),
        ("x: peer T-V of", "nothing follows of; write of AVT"),
        ("x: peer T-V of AT", "'AT' lacks V"),
        ("x: peer T-V of AVTQ", "(Q)"),
        ("x: peer T-V of A+V+T", "made of letters"),
        ("x: peer T-V adapter adapter", "adapter is given twice"),
        ("va: peer T-A", "va is on line 2 already"),
        ("va  ->  tv: rows through; va->tv: gram through", "va -> tv is on line 3 already"),
        ("x peer T-V", "the colon is missing"),
        ('x: peer T-V from "runs', 'line 3: a quote that is never closed: "runs'),
        ('x: peer T-V from "a\\qb"', "write \\\\ for a backslash"),
        ("a b: peer T-V", "a node's name is made of letters"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_remedy(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_graph(f"tv: target T-V\nva: peer V-A\n{text}", KNOWN)
    message = str(caught.value)
    assert words in message, message
    assert message.startswith("line ") or text.startswith("a b")


def test_every_word_is_known_and_every_kind_of_node_can_pass_something() -> None:
    assert gate_words() == ("through", "cutoff", "linear", "negative-linear", "correct")
    assert payload_words("sides", vectors=False) == ("similarity", "rows", "columns")
    assert payload_words("classes", vectors=False) == ("logits",)
    assert {*payload_words("sides", vectors=True), *payload_words("classes", vectors=True)} == set(PAYLOADS)


def test_a_graph_is_read_from_where_it_is(tmp_path: Path) -> None:
    graph = parse_graph(EXAMPLE, KNOWN)
    (tmp_path / "graph.txt").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "graph.json").write_text(json.dumps(graph.to_dict()), encoding="utf-8")
    for place in (tmp_path / "graph.txt", str(tmp_path / "graph.json"), EXAMPLE):
        assert read_graph(place, KNOWN) == graph


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", "tv: target T-V", "neither .txt"),
        ("a.txt", "tv: traget T-V", "a.txt: line 1, 'tv: traget T-V'"),
        ("a.json", "[]", "a.json: it holds no graph"),
        ("a.json", "{}", "a.json: None does not name a configuration"),
        ("a.json", json.dumps(GateConfig().to_dict()), "it holds a GateConfig, not a graph"),
        (
            "a.json",
            json.dumps({**parse_graph("a: target T-V;label -> a: through", KNOWN).to_dict(), "edges": 3}),
            "no graph",
        ),
    ],
)
def test_a_file_that_holds_no_graph(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_graph(tmp_path / name, KNOWN)
    assert words in str(caught.value), str(caught.value)


def test_a_path_that_does_not_exist_and_files_of_other_data(tmp_path: Path) -> None:
    for nothing in ("", "  \n"):
        with pytest.raises(ConfigError, match="the graph is empty; name a file, or write one out, such as: tv: target"):
            read_graph(nothing, STANDARD)
    with pytest.raises(ConfigError, match="no file that exists, and no graph"):
        read_graph(str(tmp_path / "graph.txt"), KNOWN)
    with pytest.raises(ConfigError, match=r"is a folder; name the file of the graph in it, such as .*graph.txt"):
        read_graph(tmp_path, KNOWN)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"broken.json: not valid JSON"):
        read_graph(tmp_path / "broken.json", KNOWN)
    (tmp_path / "a.json").write_text(json.dumps(parse_graph(EXAMPLE, KNOWN).to_dict()), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a.json: node .*no modality named \['video'\]"):
        read_graph(tmp_path / "a.json", [modality for modality in KNOWN if modality.name != "video"])

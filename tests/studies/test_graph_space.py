"""The space of a search: named draws, graphs as published, the same for everybody."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from graph_search_cases import AV, OWN, STARTS, TV, large_space, small_space

from trichord.errors import ConfigError
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import NodeConfig
from trichord.graphs.payloads import LogitsConfig, SimilarityConfig
from trichord.studies.graphs.space import CUTOFF, SearchSpace, at_temperature, draw


def drawn_as(space: SearchSpace) -> dict[str, Any]:
    """Draw Through everywhere, and the first choice of anything else."""
    return {
        name: "through" if name.split()[0] in ("gate", "label") else choices[0]
        for name, choices in space.parameters().items()
    }


def test_there_is_one_parameter_for_whatever_has_a_choice() -> None:
    names = list(small_space().parameters())
    assert names == [
        "kind n1",
        "kind n2",
        "label n0",
        "label n1",
        "label n2",
        *(f"gate {edge}" for edge in ("n1>n0", "n2>n0", "n0>n1", "n2>n1", "n0>n2", "n1>n2")),
    ]
    large = large_space().parameters()
    assert {name.split()[0] for name in large} == {"kind", "label", "gate", "payload", "temperature", "effect"}
    assert large["payload mean>n0"] == ("similarity", "rows"), "an ensemble has no vectors"
    assert large["payload n1>n0"] == ("embedding", "similarity", "rows")


def test_a_graph_is_what_was_drawn() -> None:
    space = large_space()
    drawn = drawn_as(space) | {
        "kind n1": "A-V",
        "gate n1>n0": "linear",
        "payload n1>n0": "similarity",
        "temperature n1>n0": 0.3,
        "effect n1>n0": "push",
        "label n2": "linear",
    }
    graph = space.graph(drawn, STARTS)
    assert graph is not None
    assert graph.nodes["n1"] == AV
    assert graph.nodes["n2"] == TV
    assert graph.nodes["mean"].members == ("n0", "n1", "n2")
    (edge,) = [edge for edge in graph.incoming("n0") if edge.source == "n1"]
    assert edge.payload == SimilarityConfig(temperature=0.3)
    assert (edge.gate.kind, edge.effect) == ("linear", "push")
    assert graph.labels["n2"].kind == "linear"
    assert len(graph.edges) == 9
    asked: list[str] = []
    again = space.sample(lambda name, choices: (asked.append(name), drawn[name])[1], STARTS)
    assert again == graph
    assert asked == list(space.parameters())


def test_a_peer_that_nothing_reaches_is_frozen_and_was_trained_alone() -> None:
    space = small_space()
    drawn = drawn_as(space) | {"kind n2": "A-V", "label n2": "cutoff", "gate n0>n2": "cutoff", "gate n1>n2": "cutoff"}
    graph = space.graph(drawn, STARTS)
    assert graph is not None
    assert graph.nodes["n2"] == replace(AV, role="frozen", start="alone/A-V")
    assert "n2" not in graph.labels
    assert graph.nodes["n1"].role == "peer"


def test_a_target_that_nothing_reaches_is_no_graph() -> None:
    space = small_space()
    silent = {"label n0": "cutoff", "gate n1>n0": "cutoff", "gate n2>n0": "cutoff"}
    assert space.graph(drawn_as(space) | silent, STARTS) is None
    assert not space.learns(drawn_as(space) | silent)
    for opened in silent:
        assert space.learns(drawn_as(space) | silent | {opened: "linear"})


def test_an_adapter_that_nothing_reaches_was_trained_alone() -> None:
    adapter = NodeConfig(role="peer", left=("text",), right=("audio",), adapter=True)
    space = small_space(kinds={"T-V": TV, "T-A": adapter})
    drawn = drawn_as(space) | {"kind n1": "T-A", "label n1": "cutoff", "gate n0>n1": "cutoff", "gate n2>n1": "cutoff"}
    graph = space.graph(drawn, STARTS | {"T-A": "alone/T-A"})
    assert graph is not None
    assert graph.nodes["n1"] == replace(adapter, role="frozen", start="alone/T-A")


def test_draws_depend_on_seed_and_place_alone() -> None:
    space = large_space()
    first = [draw(space, 0, place) for place in range(8)]
    assert [draw(space, 0, place) for place in reversed(range(8))] == first[::-1]
    assert draw(space, 1, 0) != first[0]
    assert len({str(drawn) for drawn in first}) == 8
    assert list(first[0]) == list(space.parameters())


def test_draws_are_uniform_over_the_graphs_whose_target_learns() -> None:
    gates = (GateConfig(kind="through"), CUTOFF)
    space = small_space(num_nodes=2, kinds={"T-V": TV}, gates=gates, label_gates=gates)
    counts = Counter(tuple(draw(space, 0, place).values()) for place in range(1200))
    assert len(counts) == 12, "of 16 combinations, those four are none in which both ways into the target are closed"
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 31.3, "chi square, 11 degrees, p = 0.001"


def test_the_target_is_trained_alone_whether_or_not_peers_are_like_it() -> None:
    assert small_space().own_kind == "T-V"
    assert small_space().trained_alone == {"T-V": TV, "A-V": AV}
    unlike = small_space(kinds={"A-V": AV})
    assert unlike.own_kind == "target"
    assert unlike.trained_alone == {"A-V": AV, "target": TV}


def test_a_payload_without_a_temperature_stays_as_it_is() -> None:
    embedding = large_space().payloads["embedding"]
    assert at_temperature(embedding, 0.7) == embedding
    assert at_temperature(SimilarityConfig(direction="rows"), 0.7) == SimilarityConfig(
        direction="rows", temperature=0.7
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_nodes": 1}, "two nodes or more"),
        ({"kinds": {}}, "0 kinds"),
        ({"kinds": {"T-V": OWN}}, "every kind the role peer"),
        ({"gates": (CUTOFF, CUTOFF)}, "each of its gates once"),
        ({"gates": (CUTOFF,), "label_gates": (CUTOFF,)}, "no graph of it learns"),
        ({"payloads": {}}, "needs a payload"),
        ({"payloads": {"logits": LogitsConfig()}}, "the payload logits is passed between nodes that classify"),
        ({"temperatures": (0.0,)}, "temperature is above 0"),
        ({"kinds": {"I": NodeConfig(role="peer", left=("video",), label="digit")}}, "all nodes answer alike"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_space(**changes)

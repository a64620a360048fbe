from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from graph_outputs import compare, made, randn

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.output import NodeOutput
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses
from trichord.graphs.payloads import CentroidsConfig, EmbeddingConfig, GramConfig, SimilarityConfig
from trichord.graphs.transfer import edge_loss, node_terms
from trichord.objectives import LossTerms

KINDS = ("through", "cutoff", "linear", "negative linear", "correct")


def edge(
    gate: str = "through", payload: PayloadConfig | None = None, source: str = "a", target: str = "b", top: int = 1
) -> EdgeConfig:
    payload = payload or SimilarityConfig()
    return EdgeConfig(source=source, target=target, payload=payload, gate=GateConfig(kind=gate, top=top))


def built(config: PayloadConfig) -> Payload:
    torch.manual_seed(0)
    return config.build(source_dim=5, target_dim=4).double()


def right_by_hand(source: NodeOutput, columns: list[int], i: int, top: int) -> bool:
    scores = source.table.values[i]
    if i not in columns or not source.table.rows[i]:
        return False
    return 1 + sum(float(scores[j]) >= float(scores[i]) for j in columns if j != i) <= top


@pytest.mark.parametrize(("kind", "top"), [*((kind, 1) for kind in KINDS), ("correct", 3)])
@pytest.mark.parametrize("config", [SimilarityConfig(), GramConfig()])
def test_an_edge_is_its_payload_through_its_gate(config: PayloadConfig, kind: str, top: int) -> None:
    left = randn(7, 5)
    source = compare(left, left + 1.2 * randn(7, 5, seed=1), no_right=(6,))
    target, payload = made(dim=4, seed=2, no_left=(1,)), built(config)
    losses = payload(source, target, push=False, seed=0)
    by_hand = 0.0
    for i, loss in zip(losses.rows.tolist(), losses.values.tolist(), strict=True):
        right = right_by_hand(source, list(range(6)), i, top)
        factor = {"through": 1, "cutoff": 0, "linear": 0.25, "negative linear": 0.75, "correct": right}[kind]
        by_hand += factor * loss / len(losses.rows)
    found = edge_loss(replace(edge(kind, config, top=top), weight=2.5), payload, source, target, 0.25, seed=0)
    np.testing.assert_allclose(found.item(), 2.5 * by_hand, rtol=1e-9, atol=1e-12)


class _Refusing(Payload):
    def __init__(self) -> None:
        super().__init__(SimilarityConfig(), source_dim=0, target_dim=0)

    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        raise AssertionError("an edge that is cut compares nothing")


def test_an_edge_that_is_cut_compares_nothing_and_has_no_way_back() -> None:
    left = randn(7, 5).requires_grad_()
    found = edge_loss(edge("cutoff"), _Refusing(), made(), compare(left, left), 0.5, seed=0)
    assert found.item() == 0.0
    assert not found.requires_grad


@pytest.mark.parametrize(
    "config", [SimilarityConfig(), GramConfig(), EmbeddingConfig(), CentroidsConfig(num_clusters=3)]
)
@pytest.mark.parametrize("effect", ["pull", "push"])
def test_no_gradient_reaches_the_source(config: PayloadConfig, effect: str) -> None:
    theirs, ours = randn(7, 5, seed=1).requires_grad_(), randn(7, 4, seed=2).requires_grad_()
    source, target = compare(theirs, theirs.flip(0)), compare(ours, ours.flip(1))
    edge_loss(replace(edge("through", config), effect=effect), built(config), source, target, 0.5, seed=0).backward()
    assert theirs.grad is None
    assert ours.grad is not None
    assert ours.grad.any()


def test_edges_of_one_step_draw_apart_and_every_step_anew() -> None:
    seen: list[int] = []

    class Recording(_Refusing):
        def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
            seen.append(seed)
            return RowLosses(target.table.values[:, 0], torch.arange(7))

    for each, seed in ((edge(), 1), (edge(), 1), (edge(source="c"), 1), (edge(), 2)):
        edge_loss(each, Recording(), made(), made(seed=1), 0.5, seed)
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def graph(labels: Mapping[str, GateConfig], *edges: EdgeConfig) -> GraphConfig:
    sides = {"left": ("text",), "right": ("video",)}
    nodes = {"b": NodeConfig(role="target", **sides), "a": NodeConfig(role="peer", **sides)}
    return GraphConfig(nodes={**nodes, "c": NodeConfig(role="peer", **sides)}, edges=edges, labels=dict(labels))


def outputs(leaf: torch.Tensor) -> dict[str, NodeOutput]:
    label = LossTerms({"T-V": leaf.square().sum(), "order": leaf.abs().sum()})
    return {"a": made(dim=5, seed=1), "b": compare(leaf, leaf.flip(0), label=label), "c": made(dim=5, seed=2)}


def test_a_node_has_its_own_terms_and_one_of_each_open_edge_in_order() -> None:
    edges = (edge("linear"), edge("through", GramConfig(), source="c"))
    payloads = {each.name: built(each.payload) for each in edges}
    through = {"b": GateConfig(kind="through"), "a": GateConfig(kind="through"), "c": GateConfig(kind="through")}
    said = outputs(randn(7, 4).requires_grad_())
    found = node_terms(graph(through, *edges), "b", said, payloads, 0.25, seed=3)
    assert found is not None
    assert list(found.terms) == ["T-V", "order", "from a", "from c"]
    for each in edges:
        expected = edge_loss(each, payloads[each.name], said[each.source], said["b"], 0.25, seed=3)
        assert torch.equal(found.terms[f"from {each.source}"], expected)


@pytest.mark.parametrize("kind", ["through", "correct"])
def test_an_open_label_edge_leaves_the_loss_as_it_is_bit_for_bit(kind: str) -> None:
    said = outputs(randn(7, 4).requires_grad_())
    labels = {name: GateConfig(kind="through") for name in "ac"} | {"b": GateConfig(kind=kind)}
    found = node_terms(graph(labels), "b", said, {}, 0.25, seed=0)
    assert found is not None
    assert said["b"].label is not None
    assert {name: id(term) for name, term in found.terms.items()} == {
        name: id(term) for name, term in said["b"].label.terms.items()
    }


def test_linear_label_edges_multiply_every_term() -> None:
    said = outputs(randn(7, 4).requires_grad_())
    for kind, factor in (("linear", 0.25), ("negative linear", 0.75)):
        labels = {name: GateConfig(kind="through") for name in "ac"} | {"b": GateConfig(kind=kind)}
        found = node_terms(graph(labels), "b", said, {}, 0.25, seed=0)
        assert found is not None
        assert said["b"].label is not None
        for name, term in said["b"].label.terms.items():
            torch.testing.assert_close(found.terms[name], factor * term)


@pytest.mark.parametrize("label", [None, "cutoff"])
def test_a_cut_label_edge_leaves_only_what_others_pass(label: str | None) -> None:
    labels = {name: GateConfig(kind="through") for name in "ac"}
    labels |= {"b": GateConfig(kind=label)} if label else {}
    said, only = outputs(randn(7, 4).requires_grad_()), edge()
    found = node_terms(graph(labels, only), "b", said, {only.name: built(only.payload)}, 0.5, seed=0)
    assert found is not None
    assert list(found.terms) == ["from a"]


def test_a_node_that_nothing_reaches_has_no_terms() -> None:
    whole = graph({name: GateConfig(kind="through") for name in "abc"})
    frozen = replace(whole.nodes["a"], role="frozen", start="runs/a")
    labels = {name: gate for name, gate in whole.labels.items() if name != "a"}
    whole = replace(whole, nodes={**whole.nodes, "a": frozen}, labels=labels)
    assert node_terms(whole, "a", outputs(randn(7, 4)), {}, 0.5, seed=0) is None


def test_an_edge_that_is_cut_leaves_no_term() -> None:
    labels = {name: GateConfig(kind="through") for name in "abc"}
    edges = (edge("cutoff"), edge("through", source="c"))
    payloads = {edges[0].name: _Refusing(), edges[1].name: built(edges[1].payload)}
    found = node_terms(graph(labels, *edges), "b", outputs(randn(7, 4)), payloads, 0.5, seed=0)
    assert found is not None
    assert list(found.terms) == ["T-V", "order", "from c"]


def test_an_open_label_edge_without_a_loss_is_refused() -> None:
    labels = {name: GateConfig(kind="through") for name in "abc"}
    with pytest.raises(ValueError, match="no loss of its own"):
        node_terms(graph(labels), "a", outputs(randn(7, 4)), {}, 0.5, seed=0)


def test_pull_and_push_over_edges_move_a_node_towards_its_teacher_or_away() -> None:
    """Several steps of descent on one edge, judged by the cosine of the two tables' rows."""
    moved = {}
    source = made(count=12, dim=5, seed=1)
    for effect, kind in product(("pull", "push"), ("through", "correct")):
        vectors = randn(12, 6, seed=9).requires_grad_()
        one = replace(edge(kind, top=12), effect=effect) if kind == "correct" else replace(edge(kind), effect=effect)
        optimizer = torch.optim.SGD([vectors], lr=0.5)
        for _ in range(15):
            optimizer.zero_grad()
            edge_loss(one, built(one.payload), source, compare(vectors, vectors.flip(0)), 0.5, 0).backward()
            optimizer.step()
        table = compare(vectors, vectors.flip(0)).table.values.detach()
        p, q = (source.table.values / 0.1).softmax(1), (table / 0.1).softmax(1)
        moved[effect, kind] = torch.nn.functional.cosine_similarity(p, q).mean().item()
    start = compare(randn(12, 6, seed=9), randn(12, 6, seed=9).flip(0)).table.values
    before = torch.nn.functional.cosine_similarity(
        (source.table.values / 0.1).softmax(1), (start / 0.1).softmax(1)
    ).mean()
    for (effect, _), after in moved.items():
        assert after > before if effect == "pull" else after < before

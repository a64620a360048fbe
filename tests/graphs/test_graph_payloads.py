"""Every payload against plain NumPy loops over items, with items and sides missing in either node."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from graph_outputs import (
    MISSING,
    built,
    check,
    classify,
    compare,
    made,
    plain_divergence,
    plain_likeness,
    randn,
    two_nodes,
)
from torch.nn import functional

from trichord.errors import ConfigError
from trichord.graphs.output import NodeOutput
from trichord.graphs.payloads import (
    CentroidsConfig,
    EmbeddingConfig,
    GramConfig,
    LogitsConfig,
    SimilarityConfig,
)
from trichord.randomness import torch_generator


def both_hold(source: NodeOutput, target: NodeOutput, side: str) -> list[int]:
    present = source.sides[side].present & target.sides[side].present
    return [i for i, holds in enumerate(present.tolist()) if holds]


def gather(parts: list[dict[int, float]]) -> dict[int, float]:
    """The mean of what an item has."""
    items = sorted({i for part in parts for i in part})
    return {i: float(np.mean([part[i] for part in parts if i in part])) for i in items}


def plain_similarity(source: NodeOutput, target: NodeOutput, direction: str, push: bool) -> dict[int, float]:
    plain = plain_likeness if push else plain_divergence
    rows, columns = both_hold(source, target, "left"), both_hold(source, target, "right")
    theirs, ours = source.table.values.numpy(), target.table.values.numpy()
    of_rows = {i: plain([theirs[i, j] for j in columns], [ours[i, j] for j in columns], 0.1) for i in rows}
    of_columns = {j: plain([theirs[i, j] for i in rows], [ours[i, j] for i in rows], 0.1) for j in columns}
    return gather({"rows": [of_rows], "columns": [of_columns], "both": [of_rows, of_columns]}[direction])


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("direction", ["both", "rows", "columns"])
@pytest.mark.parametrize("push", [False, True])
def test_similarity_equals_the_plain_loop(push: bool, direction: str, missing: str) -> None:
    source, target = two_nodes(missing)
    found = built(SimilarityConfig(direction=direction))(source, target, push=push, seed=0)
    check(found, plain_similarity(source, target, direction, push))


def test_similarity_of_complete_data_is_half_of_either_direction() -> None:
    source, target = two_nodes()
    rows, columns, both = (
        built(SimilarityConfig(direction=direction))(source, target, push=False, seed=0)
        for direction in ("rows", "columns", "both")
    )
    torch.testing.assert_close(both.values, 0.5 * (rows.values + columns.values), rtol=1e-12, atol=1e-14)


def test_similarity_closed_form() -> None:
    """A source that is sure of the diagonal, a target that knows nothing: log n, less the little doubt."""
    n = 6
    source = compare(torch.eye(n, dtype=torch.float64), torch.eye(n, dtype=torch.float64))
    target = compare(torch.ones(n, 3, dtype=torch.float64), torch.ones(n, 3, dtype=torch.float64))
    found = built(SimilarityConfig(temperature=0.05))(source, target, push=False, seed=0)
    sure = np.exp(20) / (np.exp(20) + n - 1)
    entropy = -sure * np.log(sure) - (1 - sure) * np.log((1 - sure) / (n - 1))
    np.testing.assert_allclose(found.values.numpy(), np.full(n, np.log(n) - entropy), rtol=1e-9)


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("push", [False, True])
def test_gram_equals_the_plain_loop(push: bool, missing: str) -> None:
    source, target = two_nodes(missing)
    parts = []
    for side in ("left", "right"):
        items = both_hold(source, target, side)
        theirs, ours = source.sides[side].vectors.numpy(), target.sides[side].vectors.numpy()
        part = {}
        for i in items:
            others = [j for j in items if j != i]
            part[i] = (plain_likeness if push else plain_divergence)(
                [theirs[i] @ theirs[j] for j in others], [ours[i] @ ours[j] for j in others], 0.1
            )
        parts.append(part)
    check(built(GramConfig())(source, target, push=push, seed=0), gather(parts))


def test_gram_of_classifiers_is_over_their_logits_as_vectors() -> None:
    source = classify(3 * randn(6, 4, seed=1), torch.arange(6) % 4)
    target = classify(5 * randn(6, 4, seed=2), torch.arange(6) % 4)
    expected = {}
    for i in range(6):
        cosines = [
            [functional.cosine_similarity(z[i], z[j], dim=0).item() for j in range(6) if j != i]
            for z in (source.table.values, target.table.values)
        ]
        expected[i] = plain_divergence(*cosines, 0.1)
    check(built(GramConfig(), 4, 4)(source, target, push=False, seed=0), expected)


def test_gram_does_not_see_a_rotation_of_a_space() -> None:
    source, target = two_nodes()
    turn = torch.linalg.qr(randn(5, 5)).Q
    turned = compare(source.sides["left"].vectors @ turn, source.sides["right"].vectors @ turn)
    payload = built(GramConfig())
    one, other = (payload(node, target, push=False, seed=0) for node in (source, turned))
    torch.testing.assert_close(one.values, other.values)


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("push", [False, True])
def test_embedding_equals_the_plain_loop(push: bool, missing: str) -> None:
    source, target = two_nodes(missing)
    payload = built(EmbeddingConfig())
    parts = []
    for side in ("left", "right"):
        matrix = payload.get_parameter(f"projectors.{side}.weight").detach().numpy()
        part = {}
        for i in both_hold(source, target, side):
            ours = matrix @ target.sides[side].vectors[i].numpy()
            cosine = float(source.sides[side].vectors[i].numpy() @ ours / np.linalg.norm(ours))
            part[i] = cosine if push else 1 - cosine
        parts.append(part)
    check(payload(source, target, push=push, seed=0), gather(parts))


def test_embedding_learns_a_rotation() -> None:
    source = made(count=30, dim=4, seed=1)
    turn = torch.linalg.qr(randn(4, 4)).Q
    target = compare(*(source.sides[side].vectors @ turn for side in ("left", "right")))
    payload = built(EmbeddingConfig(), 4, 4)
    optimizer = torch.optim.Adam(payload.parameters(), lr=0.1)
    for _ in range(80):
        optimizer.zero_grad()
        loss = payload(source, target, push=False, seed=0).values.mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-3


def test_embedding_needs_widths() -> None:
    with pytest.raises(ConfigError, match="source_dim"):
        EmbeddingConfig().build(source_dim=0, target_dim=4)


def plain_centroids(source: NodeOutput, target: NodeOutput, labels: dict[int, int], push: bool) -> dict[int, float]:
    """The definition, with the groups given."""

    def fused(node: NodeOutput, i: int) -> np.ndarray:
        held = [side.vectors[i].numpy() for side in node.sides.values() if bool(side.present[i])]
        return np.mean(held, axis=0)

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.linalg.norm(vector)

    groups = sorted(set(labels.values()))
    centroids = [
        [unit(np.mean([fused(node, i) for i in labels if labels[i] == k], axis=0)) for k in groups]
        for node in (source, target)
    ]
    plain, parts = plain_likeness if push else plain_divergence, []
    for side in target.sides.values():
        part = {}
        for i in labels:
            if bool(side.present[i]):
                theirs = [unit(fused(source, i)) @ centroid for centroid in centroids[0]]
                ours = [unit(side.vectors[i].numpy()) @ centroid for centroid in centroids[1]]
                part[i] = plain(theirs, ours, 0.2)
        parts.append(part)
    return gather(parts)


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("push", [False, True])
def test_centroids_equal_the_plain_loop_where_every_item_is_its_own_group(push: bool, missing: str) -> None:
    source, target = two_nodes(missing)
    items = [
        i
        for i in range(7)
        if all(any(bool(side.present[i]) for side in node.sides.values()) for node in (source, target))
    ]
    found = built(CentroidsConfig(num_clusters=20, temperature=0.2))(source, target, push=push, seed=0)
    check(found, plain_centroids(source, target, {i: i for i in items}, push))


def plain_groups(source: NodeOutput, num_clusters: int, seed: int) -> dict[int, int]:
    """Plain Lloyd iterations with assignment by cosine, from the rows that the seed draws, until nothing changes."""
    rows = [
        np.mean([side.vectors[i].numpy() for side in source.sides.values()], axis=0)
        for i in range(len(source.table.rows))
    ]
    start = torch.randperm(len(rows), generator=torch_generator(seed, "centroids"))[:num_clusters]
    centroids = [rows[int(i)] for i in start]
    labels: list[int] = []
    while True:
        found = [
            max(range(num_clusters), key=lambda k: row @ centroids[k] / np.linalg.norm(centroids[k])) for row in rows
        ]
        if found == labels:
            return dict(enumerate(labels))
        labels = found
        assert set(labels) == set(range(num_clusters)), "no cluster falls empty in this test"
        centroids = [
            np.mean([row for row, y in zip(rows, labels, strict=True) if y == k], axis=0) for k in range(num_clusters)
        ]


@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_centroids_equal_the_plain_loop_with_the_groups_of_plain_k_means(push: bool, seed: int) -> None:
    source = made(count=40, dim=5, seed=1)
    target = made(count=40, dim=4, seed=5, no_left=(3,), no_right=(8,))
    payload = built(CentroidsConfig(num_clusters=4, temperature=0.2, max_iterations=100))
    labels = plain_groups(source, 4, seed)
    check(payload(source, target, push=push, seed=seed), plain_centroids(source, target, labels, push))


def test_centroids_of_one_group_say_nothing() -> None:
    source, target = two_nodes()
    found = built(CentroidsConfig(num_clusters=1))(source, target, push=False, seed=0)
    torch.testing.assert_close(found.values, torch.zeros(7, dtype=torch.float64))


def test_centroids_are_drawn_by_the_seed_alone() -> None:
    source, target = made(count=40, dim=5, seed=1), made(count=40, dim=4, seed=2)
    payload = built(CentroidsConfig(num_clusters=6))
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(losses))
        losses.append(payload(source, target, push=False, seed=seed).values)
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize("missing", [(), (2,), range(6)])
def test_logits_equal_the_plain_loop(missing: tuple[int, ...], push: bool, temperature: float) -> None:
    truth = torch.arange(6) % 3
    source, target = classify(3 * randn(6, 3, seed=1), truth), classify(2 * randn(6, 3, seed=2), truth, missing)
    expected = {}
    for i in sorted(set(range(6)) - set(missing)):
        theirs, ours = source.table.values[i].numpy(), target.table.values[i].numpy()
        if push:
            expected[i] = plain_likeness(theirs, ours, temperature)
        else:
            expected[i] = temperature**2 * plain_divergence(theirs, ours, temperature)
    check(built(LogitsConfig(temperature=temperature), 3, 3)(source, target, push=push, seed=0), expected)


def test_logits_of_a_large_temperature_match_logits() -> None:
    """As T grows, T^2 KL tends to half the mean squared difference of centred logits (Hinton et al., 2015)."""
    truth = torch.arange(6) % 3
    source, target = classify(randn(6, 3, seed=1), truth), classify(randn(6, 3, seed=2), truth)
    found = built(LogitsConfig(temperature=1e4), 3, 3)(source, target, push=False, seed=0).values
    gap = source.table.values - target.table.values
    torch.testing.assert_close(found, 0.5 * (gap - gap.mean(1, keepdim=True)).square().mean(1), rtol=1e-3, atol=1e-6)

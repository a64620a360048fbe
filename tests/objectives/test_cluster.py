from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from trichord.batch import Embeddings
from trichord.errors import ConfigError
from trichord.objectives import Cluster, ClusterConfig
from trichord.objectives.cluster import centroid_cross_entropy, fuse
from trichord.objectives.kmeans import assign, refine

ALL = ("video", "audio", "text")
CONFIG = ClusterConfig(modalities=ALL, dim=8, num_clusters=4, memory_size=24, refresh_every=5)
MISSING = {"video": (0, 5), "audio": (1, 5), "text": (2, 5)}


def built(**changes: Any) -> Cluster:
    module = dataclasses.replace(CONFIG, **changes).build()
    assert isinstance(module, Cluster)
    return module


def test_the_fused_vector_is_the_mean_of_what_a_row_holds(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings(missing=MISSING)
    fused = fuse(embeddings, ALL)
    assert fused.present.tolist() == [row != 5 for row in range(12)]
    for row in range(12):
        held = [embeddings.vectors[name][row] for name in ALL if embeddings.present[name][row]]
        expected = torch.stack(held).mean(0) if held else torch.zeros(8)
        torch.testing.assert_close(fused.vectors[row], expected)


@pytest.mark.parametrize("temperature", [None, 0.2])
def test_cross_entropy_equals_a_loop(temperature: float | None) -> None:
    vectors = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    centroids = 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    labels, margin, total = torch.tensor([0, 3, 1, 1, 2, 0]), 0.3, 0.0
    for vector, label in zip(vectors, labels.tolist(), strict=True):
        scores = []
        for k, centroid in enumerate(centroids):
            score = float(vector @ centroid)
            if temperature is not None:
                score /= float(vector.norm() * centroid.norm())
            score -= margin * (k == label)
            scores.append(score if temperature is None else score / temperature)
        total += math.log(sum(map(math.exp, scores))) - scores[label]
    found = centroid_cross_entropy(vectors, labels, centroids, margin, temperature)
    assert found.item() == pytest.approx(total / 6, rel=1e-5)


def test_modalities_are_contrasted_over_the_rows_that_hold_them(make_embeddings: Callable[..., Any]) -> None:
    objective, embeddings = built(), make_embeddings(missing=MISSING)
    terms = objective(embeddings).terms
    assert list(terms) == list(ALL)
    fused = fuse(embeddings, ALL)
    for name in ALL:
        rows = embeddings.present[name].nonzero().squeeze(1)
        labels = assign(fused.vectors[rows].detach(), objective.centroids)
        cosines = functional.normalize(embeddings.vectors[name][rows], dim=1) @ objective.centroids.T
        logits = (cosines - 0.001 * functional.one_hot(labels, 4)) / 0.1
        torch.testing.assert_close(terms[name], functional.cross_entropy(logits, labels) / 3)


def test_fused_contrast_sends_gradients_through_the_mean(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    terms = built(contrast="fused", temperature=None).train()(embeddings).terms
    assert list(terms) == ["fused"]
    terms["fused"].backward()
    torch.testing.assert_close(embeddings.vectors["video"].grad, embeddings.vectors["text"].grad)


def test_labels_and_centroids_are_constants(make_embeddings: Callable[..., Any]) -> None:
    """The gradient of one modality's term does not reach the others, although labels come from the mean of all."""
    embeddings = make_embeddings()
    built()(embeddings).terms["video"].backward()
    assert embeddings.vectors["video"].grad.abs().sum() > 0
    assert embeddings.vectors["text"].grad is None


def test_too_few_rows_wait_with_zeros_until_the_memory_has_enough(make_embeddings: Callable[..., Any]) -> None:
    objective = built(num_clusters=9, memory_share=1.0)
    totals = [objective(make_embeddings(batch=4, seed=seed)).total for seed in range(3)]
    assert [total.item() > 0 for total in totals] == [False, False, True]
    totals[0].backward()
    assert bool(objective.initialised)


def test_k_means_runs_when_due_and_not_in_between(make_embeddings: Callable[..., Any]) -> None:
    objective = built(refresh_every=3)
    moved = []
    for step in range(7):
        before = objective.centroids.clone()
        objective(make_embeddings(seed=step))
        moved.append(not torch.equal(before, objective.centroids))
    assert moved == [True, False, False, True, False, False, True]
    assert objective.num_steps == 7


def test_a_later_k_means_starts_from_the_present_centroids(make_embeddings: Callable[..., Any]) -> None:
    objective = built(refresh_every=1, max_iterations=1)
    objective(make_embeddings(seed=0))
    start, embeddings = objective.centroids.clone(), make_embeddings(seed=1)
    rows = torch.cat([objective.memory.content().clone(), fuse(embeddings, ALL).vectors.detach()])
    objective(embeddings)
    expected = refine(rows, start, spherical=True, max_iterations=1, tolerance=0.0).centroids
    torch.testing.assert_close(objective.centroids, expected)


def test_assigning_the_current_rows_equals_assigning_everything(make_embeddings: Callable[..., Any]) -> None:
    objective = built()
    for step in range(4):
        embeddings = make_embeddings(seed=step)
        current = fuse(embeddings, ALL).vectors.detach()
        everything = torch.cat([objective.memory.content(), current])
        objective(embeddings)
        assert torch.equal(assign(current, objective.centroids), assign(everything, objective.centroids)[-12:])


def test_the_clustering_sees_memory_and_current_rows(make_embeddings: Callable[..., Any]) -> None:
    with_memory, without = built(refresh_every=1, memory_share=1.0), built(refresh_every=1, memory_size=0)
    for step in range(2):
        for objective in (with_memory, without):
            objective(make_embeddings(seed=step))
        assert torch.equal(with_memory.centroids, without.centroids) == (step == 0)


@pytest.mark.parametrize(("share", "rows"), [(1.0, list(range(12))), (0.5, [0, 2, 4, 6, 8, 10]), (0.25, [0, 4, 8])])
def test_a_share_of_each_step_is_remembered_evenly(
    share: float, rows: list[int], make_embeddings: Callable[..., Any]
) -> None:
    objective, embeddings = built(memory_share=share), make_embeddings()
    objective(embeddings)
    torch.testing.assert_close(objective.memory.content(), fuse(embeddings, ALL).vectors[rows].detach())


def test_rows_that_hold_nothing_are_not_remembered(make_embeddings: Callable[..., Any]) -> None:
    objective = built(memory_share=1.0)
    objective(make_embeddings(missing=MISSING))
    assert int(objective.memory.filled) == 11


def test_evaluation_uses_the_centroids_there_are(make_embeddings: Callable[..., Any]) -> None:
    objective = built()
    assert objective.eval()(make_embeddings()).total == 0
    objective.train()(make_embeddings())
    assert objective.eval()(make_embeddings(seed=1)).total > 0


def test_two_steps_before_one_backward_pass(make_embeddings: Callable[..., Any]) -> None:
    objective = built(refresh_every=1, temperature=None)
    first, second = make_embeddings(seed=0), make_embeddings(seed=1)
    (objective(first).total + objective(second).total).backward()
    assert torch.isfinite(first.vectors["video"].grad).all()


def test_spherical_centroids_are_unit_and_means_have_the_length_of_the_rows(
    make_embeddings: Callable[..., Any],
) -> None:
    embeddings = make_embeddings()
    long = Embeddings({name: 50 * table for name, table in embeddings.vectors.items()}, embeddings.present)
    spherical, mean = built(), built(centroids="mean")
    spherical(long)
    mean(long)
    torch.testing.assert_close(spherical.centroids.norm(dim=1), torch.ones(4))
    assert (mean.centroids.norm(dim=1) > 5).all()


def test_planted_clusters_are_recovered_and_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(8, 4, generator=generator)).Q.T
    truth = torch.arange(40) % 4

    def step(noise: float) -> Embeddings:
        vectors = {name: directions[truth] + noise * torch.randn(40, 8, generator=generator) for name in ALL}
        return Embeddings(vectors, {name: torch.ones(40, dtype=torch.bool) for name in ALL})

    objective = built(refresh_every=1)
    for _ in range(5):
        objective(step(0.05))
    labels = assign(fuse(step(0.05), ALL).vectors, objective.centroids)
    assert len({(int(a), int(b)) for a, b in zip(truth, labels, strict=True)}) == 4
    objective.eval()
    assert objective(step(0.01)).total < objective(step(1.0)).total / 10


def test_the_seed_chooses_the_first_centroids(make_embeddings: Callable[..., Any]) -> None:
    modules = [built(seed=seed, max_iterations=1, num_clusters=3) for seed in (0, 0, 1)]
    for module in modules:
        module(make_embeddings())
    assert torch.equal(modules[0].centroids, modules[1].centroids)
    assert not torch.equal(modules[0].centroids, modules[2].centroids)


def test_half_precision_embeddings_are_clustered_in_fp32(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    half = Embeddings({name: table.bfloat16() for name, table in embeddings.vectors.items()}, embeddings.present)
    objective = built()
    assert objective(half).total.dtype == torch.float32
    assert objective.centroids.dtype == objective.memory.rows.dtype == torch.float32


@pytest.mark.parametrize(
    "changes",
    [
        {"modalities": ()},
        {"modalities": ("video", "video")},
        {"dim": 0},
        {"num_clusters": 0},
        {"refresh_every": 0},
        {"max_iterations": 0},
        {"memory_size": -1},
        {"memory_share": 0.0},
        {"memory_share": 1.5},
        {"temperature": 0.0},
        {"margin": -0.1},
        {"tolerance": math.nan},
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        dataclasses.replace(CONFIG, **changes)


def test_another_width_is_refused(make_embeddings: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="'video' has width 6"):
        built()(make_embeddings(dim=6))

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from trichord.errors import ConfigError
from trichord.objectives import kmeans
from trichord.objectives.kmeans import assign, initial_rows, refine


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cosine(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(x @ y) / (float(x.norm()) * float(y.norm()))


def lloyd(rows: torch.Tensor, centroids: torch.Tensor, spherical: bool, num_updates: int) -> torch.Tensor:
    """Plain k-means, one row and one cluster at a time, in double precision."""
    rows, centroids = rows.double(), centroids.double().clone()
    for _ in range(num_updates):
        members: list[list[torch.Tensor]] = [[] for _ in centroids]
        fits = []
        for row in rows:
            cosines = [cosine(row, centroid) for centroid in centroids]
            own = max(range(len(cosines)), key=cosines.__getitem__)
            members[own].append(row / row.norm() if spherical else row)
            fits.append(cosines[own])
        worst = sorted(range(len(rows)), key=fits.__getitem__)
        for k, own_members in enumerate(members):
            mean = torch.stack(own_members).mean(0) if own_members else rows[worst.pop(0)]
            centroids[k] = mean / mean.norm() if spherical else mean
    return centroids


def planted(num_clusters: int, per_cluster: int, dim: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows around orthogonal directions, of lengths from 0.5 to 3, shuffled; and the cluster each belongs to."""
    directions = torch.linalg.qr(torch.randn(dim, num_clusters, generator=seeded(5))).Q.T
    truth = torch.arange(num_clusters).repeat_interleave(per_cluster)[
        torch.randperm(num_clusters * per_cluster, generator=seeded(4))
    ]
    rows = directions[truth] + noise * torch.randn(len(truth), dim, generator=seeded(6))
    return rows * (0.5 + 2.5 * torch.rand(len(truth), 1, generator=seeded(7))), truth


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize("num_updates", [1, 2, 5])
def test_equals_the_plain_loop(spherical: bool, num_updates: int) -> None:
    rows = torch.randn(60, 5, generator=seeded()) * (1 + torch.rand(60, 1, generator=seeded(1)))
    start = initial_rows(rows, 6, seeded(2))
    found = refine(rows, start, spherical=spherical, max_iterations=num_updates, tolerance=0.0).centroids
    torch.testing.assert_close(found.double(), lloyd(rows, start, spherical, num_updates), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spherical", [True, False])
def test_small_chunks_give_the_same_as_one(spherical: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(101, 5, generator=seeded())
    start = initial_rows(rows, 7, seeded(2))
    whole = refine(rows, start, spherical=spherical, max_iterations=3, tolerance=0.0).centroids
    labels = assign(rows, whole)
    monkeypatch.setattr(kmeans, "_CHUNK_ENTRIES", 70)
    chunked = refine(rows, start, spherical=spherical, max_iterations=3, tolerance=0.0).centroids
    torch.testing.assert_close(chunked, whole)
    assert torch.equal(assign(rows, whole), labels)


def test_assignment_is_by_cosine_and_ties_go_to_the_first() -> None:
    centroids = torch.tensor([[0.1, 0.0], [0.0, 100.0], [5.0, 0.0]])
    assert assign(torch.tensor([[3.0, 1.0], [1.0, 3.0], [1e-3, 0.0]]), centroids).tolist() == [0, 1, 0]


@pytest.mark.parametrize("spherical", [True, False])
def test_planted_clusters_are_found(spherical: bool) -> None:
    rows, truth = planted(num_clusters=8, per_cluster=40, dim=16, noise=0.05)
    start = torch.stack([rows[truth == k][0] for k in range(8)])
    result = refine(rows, start, spherical=spherical, max_iterations=20, tolerance=1e-6)
    assert result.converged
    assert torch.equal(assign(rows, result.centroids), truth)


def test_planted_clusters_are_found_from_a_start_that_knows_one_direction_only() -> None:
    """All centroids start in one cluster: seven are empty at once and move to the worst-represented rows."""
    rows, truth = planted(num_clusters=8, per_cluster=40, dim=16, noise=0.01)
    start = rows[truth == 0][:1].expand(8, -1)
    labels = assign(rows, refine(rows, start, spherical=True, max_iterations=50, tolerance=1e-6).centroids)
    assert len(set(labels.tolist())) == 8


@pytest.mark.parametrize("spherical", [True, False])
def test_an_empty_cluster_moves_to_the_worst_represented_row(spherical: bool) -> None:
    rows = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [0.6, 0.0, 0.8]])
    start = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    once = refine(rows, start, spherical=spherical, max_iterations=1, tolerance=0.0)
    torch.testing.assert_close(once.centroids[1], rows[3])
    settled = refine(rows, start, spherical=spherical, max_iterations=10, tolerance=1e-8)
    assert settled.converged
    assert assign(rows, settled.centroids).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("spherical", [True, False])
def test_several_empty_clusters_move_like_in_the_plain_loop(spherical: bool) -> None:
    rows = torch.rand(40, 5, generator=seeded()) * (0.2 + 5 * torch.rand(40, 1, generator=seeded(1)))
    far = -torch.rand(3, 5, generator=seeded(2)) - 0.1  # no row has a positive cosine to these
    start = torch.cat([far[:2], initial_rows(rows, 3, seeded(3)), far[2:]])
    found = refine(rows, start, spherical=spherical, max_iterations=1, tolerance=0.0).centroids
    torch.testing.assert_close(found.double(), lloyd(rows, start, spherical, 1), rtol=1e-4, atol=1e-5)
    assert len({tuple(centroid) for centroid in found.tolist()}) == 6


@pytest.mark.parametrize("spherical", [True, False])
def test_an_empty_cluster_stays_where_every_row_is_fitted_already(spherical: bool) -> None:
    away = -torch.ones(1, 3) / 3**0.5
    start = torch.cat([away, torch.eye(3)])
    result = refine(torch.eye(3).repeat(4, 1), start, spherical=spherical, max_iterations=5, tolerance=1e-8)
    torch.testing.assert_close(result.centroids, start)


@pytest.mark.parametrize("spherical", [True, False])
def test_fewer_distinct_rows_than_clusters_come_to_rest(spherical: bool) -> None:
    rows = torch.eye(3).repeat(4, 1)
    result = refine(rows, initial_rows(rows, 5, seeded()), spherical=spherical, max_iterations=30, tolerance=0.0)
    assert result.converged
    assert torch.isfinite(result.centroids).all()
    labels = assign(rows, result.centroids)
    assert len(set(labels.tolist())) == 3


def test_zero_rows_seed_nothing_and_break_nothing() -> None:
    rows = torch.cat([torch.zeros(3, 4), torch.rand(20, 4, generator=seeded())])
    start = torch.cat([initial_rows(rows[3:], 3, seeded()), -torch.ones(1, 4)])  # the last is empty at once
    for spherical in (True, False):
        result = refine(rows, start, spherical=spherical, max_iterations=1, tolerance=0.0)
        assert torch.isfinite(result.centroids).all()
        assert (result.centroids.norm(dim=1) > 1e-3).all()


def test_spherical_centroids_are_unit_and_ignore_the_lengths_of_rows() -> None:
    rows = torch.randn(50, 6, generator=seeded())
    stretched = rows * (0.1 + 10 * torch.rand(50, 1, generator=seeded(1)))
    start = initial_rows(rows, 5, seeded(2))
    one, other = (
        refine(x, start, spherical=True, max_iterations=8, tolerance=0.0).centroids for x in (rows, stretched)
    )
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(5))


def test_each_update_lowers_the_spherical_objective() -> None:
    rows = functional.normalize(torch.randn(200, 6, generator=seeded()), dim=1)
    start = initial_rows(rows, 8, seeded(1))
    fits = []
    for n in range(1, 8):
        centroids = refine(rows, start, spherical=True, max_iterations=n, tolerance=0.0).centroids
        fits.append((rows @ centroids.T).amax(1).mean().item())
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(fits))


def test_iterations_stop_at_the_cap_or_at_the_tolerance() -> None:
    rows = torch.randn(300, 6, generator=seeded())
    start = initial_rows(rows, 8, seeded(1))
    capped = refine(rows, start, spherical=True, max_iterations=2, tolerance=0.0)
    assert (capped.num_iterations, capped.converged) == (2, False)
    settled = refine(rows, start, spherical=True, max_iterations=200, tolerance=1e-10)
    assert settled.converged
    again = refine(rows, settled.centroids, spherical=True, max_iterations=200, tolerance=1e-10)
    assert again.num_iterations == 1, "a warm start at a fixed point stays"


def test_everything_is_fp32_under_autocast() -> None:
    rows = torch.randn(80, 16, generator=seeded())
    start = initial_rows(rows, 6, seeded(1))
    plain = refine(rows, start, spherical=True, max_iterations=5, tolerance=0.0).centroids
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = refine(rows, start, spherical=True, max_iterations=5, tolerance=0.0).centroids
        labels = assign(rows, start)
    assert torch.equal(plain, cast)
    assert torch.equal(labels, assign(rows, start))


def test_first_centroids_are_distinct_rows_chosen_by_the_generator() -> None:
    rows = torch.arange(20.0).unsqueeze(1)
    first = initial_rows(rows, 20, seeded(1))
    assert sorted(first.squeeze(1).tolist()) == list(range(20))
    assert torch.equal(initial_rows(rows, 5, seeded(1)), first[:5])
    assert not torch.equal(initial_rows(rows, 5, seeded(2)), first[:5])


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="4 clusters need"):
        initial_rows(torch.ones(3, 2), 4, seeded())


def test_no_rows_have_no_labels() -> None:
    assert assign(torch.zeros(0, 3), torch.eye(3)).shape == (0,)

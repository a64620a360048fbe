from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from trichord.batch import Embeddings
from trichord.errors import ConfigError
from trichord.objectives import AreaConfig, VolumeConfig
from trichord.objectives.gramian import area, gram_volume, volume

VOLUME = VolumeConfig(anchor="text", others=("video", "audio"))
AREA = AreaConfig(anchor="text", others=("video", "audio"))


def units(count: int, rows: int, dim: int, seed: int = 0) -> list[torch.Tensor]:
    tables = torch.randn(count, rows, dim, generator=torch.Generator().manual_seed(seed))
    return list(functional.normalize(tables, dim=2))


def by_determinant(vectors: list[torch.Tensor]) -> float:
    matrix = np.stack([vector.double().numpy() for vector in vectors])
    return math.sqrt(abs(np.linalg.det(matrix @ matrix.T)))


@pytest.mark.parametrize("num_companions", [1, 2, 3, 4])
def test_volume_equals_the_determinant_of_each_tuple(num_companions: int) -> None:
    anchor, *companions = units(num_companions + 1, rows=6, dim=7)
    anchor = anchor[:4]
    table = gram_volume(anchor, companions)
    expected = [[by_determinant([t, *(c[j] for c in companions)]) for j in range(6)] for t in anchor]
    np.testing.assert_allclose(table.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_volume_in_three_dimensions_is_the_box_product() -> None:
    t, v, a = units(3, rows=5, dim=3)
    box = torch.einsum("id,jd->ij", t, torch.cross(v, a, dim=1)).abs()
    torch.testing.assert_close(volume(t, v, a), box.clamp(min=1e-3), rtol=1e-3, atol=1e-4)


def test_area_in_three_dimensions_is_half_the_cross_product() -> None:
    t, v, a = units(3, rows=5, dim=3)
    expected = [[0.5 * float(torch.cross(t[i] - v[j], t[i] - a[j], dim=0).norm()) for j in range(5)] for i in range(5)]
    np.testing.assert_allclose(area(t, v, a).numpy(), expected, rtol=1e-3, atol=1e-4)


def test_area_in_many_dimensions_is_that_of_heron() -> None:
    t, v, a = units(3, rows=6, dim=20)
    for i in range(6):
        for j in range(6):
            x, y, z = (float((p - q).norm()) for p, q in ((t[i], v[j]), (t[i], a[j]), (v[j], a[j])))
            half = (x + y + z) / 2
            heron = math.sqrt(half * (half - x) * (half - y) * (half - z))
            assert area(t, v, a)[i, j].item() == pytest.approx(heron, rel=1e-4)


def test_closed_forms() -> None:
    x, y, z = torch.split(torch.eye(3), 1)
    assert volume(x, y, z).item() == pytest.approx(1)
    assert area(x, y, z).item() == pytest.approx(math.sqrt(3) / 2, rel=1e-6)
    assert volume(x, x, y).item() == pytest.approx(0, abs=2e-3)
    assert area(x, x, y).item() == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("num_others", [2, 3])
def test_a_companion_that_is_zero_drops_out(num_others: int) -> None:
    anchor, *companions = units(num_others + 1, rows=5, dim=8)
    without = gram_volume(anchor, companions[:-1])
    torch.testing.assert_close(gram_volume(anchor, [*companions[:-1], torch.zeros(5, 8)]), without)
    torch.testing.assert_close(gram_volume(anchor, [torch.zeros(5, 8), *companions[:-1]]), without)


def test_degeneracies_are_what_the_documentation_says() -> None:
    """Not wishes but facts that make a pairwise term necessary."""
    t, v, a = units(3, rows=4, dim=6)
    assert (volume(t, v, v) < 2e-3).all(), "companions that coincide suit every anchor"
    assert (area(t, v, v) < 2e-3).all()
    torch.testing.assert_close(volume(-t, v, a), volume(t, v, a))
    assert not torch.allclose(area(-t, v, a), area(t, v, a), atol=0.1)


@pytest.mark.parametrize("measure", [volume, area])
@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e-3, 1.0])
def test_gradients_stay_finite_and_bounded_near_alignment(measure: Callable[..., Any], spread: float) -> None:
    t, *noise = units(3, rows=6, dim=8)
    v, a = ((t + spread * table).requires_grad_() for table in noise)
    total = measure(t, functional.normalize(v, dim=1), functional.normalize(a, dim=1)).sum()
    for gradient in torch.autograd.grad(total, (v, a)):
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() < 20


def test_measures_are_fp32_under_autocast() -> None:
    t, v, a = units(3, rows=6, dim=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = (volume(t, v, a), area(t, v, a))
    assert torch.equal(cast[0], volume(t, v, a))
    assert torch.equal(cast[1], area(t, v, a))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_volume_loss_equals_cross_entropy_both_ways(smoothing: float, make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    t, v, a = (functional.normalize(embeddings.vectors[name], dim=1) for name in ("text", "video", "audio"))
    logits = (
        -torch.tensor(
            [[by_determinant([t[i].detach(), v[j].detach(), a[j].detach()]) for j in range(12)] for i in range(12)]
        )
        / 0.07
    )
    target = torch.arange(12)
    expected = sum(functional.cross_entropy(x, target, label_smoothing=smoothing) for x in (logits, logits.T)) / 2
    found = dataclasses.replace(VOLUME, label_smoothing=smoothing).build()(embeddings).terms["volume"]
    assert found.item() == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("config", [VOLUME, AREA])
def test_lengths_do_not_matter(config: Any, make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    longer = Embeddings({name: 3 * table for name, table in embeddings.vectors.items()}, embeddings.present)
    objective = config.build()
    torch.testing.assert_close(objective(longer).total, objective(embeddings).total, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", [VOLUME, AREA])
def test_equal_embeddings_give_chance(config: Any) -> None:
    same = functional.one_hot(torch.zeros(9, dtype=torch.long), 6).float()
    names = ("video", "audio", "text")
    embeddings = Embeddings(dict.fromkeys(names, same), dict.fromkeys(names, torch.ones(9, dtype=torch.bool)))
    assert config.build()(embeddings).total.item() == pytest.approx(math.log(9), rel=1e-5)


def test_volume_takes_incomplete_tuples_and_area_leaves_them_out(make_embeddings: Callable[..., Any]) -> None:
    missing = {"video": (0, 4), "audio": (1, 4), "text": (2,)}
    embeddings = make_embeddings(missing=missing)
    t, v, a = (functional.normalize(embeddings.vectors[name], dim=1) for name in ("text", "video", "audio"))

    def table(rows: list[int], measure: Callable[[int, int], float]) -> torch.Tensor:
        return -torch.tensor([[measure(i, j) for j in rows] for i in rows]) / 0.07

    def of_what_is_held(i: int, j: int) -> float:
        held = [x[j].detach() for x, name in ((v, "video"), (a, "audio")) if j not in missing[name]]
        return by_determinant([t[i].detach(), *held])

    rows = [0, 1, 3, 5, 6, 7, 8, 9, 10, 11]
    logits = table(rows, of_what_is_held)
    expected = sum(functional.cross_entropy(x, torch.arange(10)) for x in (logits, logits.T)) / 2
    assert VOLUME.build()(embeddings).total.item() == pytest.approx(float(expected), rel=1e-4)

    complete = torch.tensor([3, 5, 6, 7, 8, 9, 10, 11])
    kept = Embeddings(
        {name: vectors[complete] for name, vectors in embeddings.vectors.items()},
        {name: present[complete] for name, present in embeddings.present.items()},
    )
    torch.testing.assert_close(AREA.build()(embeddings).total, AREA.build()(kept).total)


def test_training_on_the_volume_aligns_anchor_and_tuple() -> None:
    generator = torch.Generator().manual_seed(0)
    names = ("video", "audio", "text")
    vectors = {name: torch.randn(16, 8, generator=generator).requires_grad_() for name in names}
    embeddings = Embeddings(vectors, dict.fromkeys(names, torch.ones(16, dtype=torch.bool)))
    objective = VOLUME.build()
    optimizer = torch.optim.Adam([*vectors.values(), *objective.parameters()], lr=0.05)
    first = objective(embeddings).total.item()
    for _ in range(60):
        optimizer.zero_grad()
        objective(embeddings).total.backward()
        optimizer.step()
    assert objective(embeddings).total.item() < first / 3


def test_bad_configurations_are_refused() -> None:
    with pytest.raises(ConfigError, match="others must name at least one"):
        VolumeConfig(anchor="text", others=())
    with pytest.raises(ConfigError, match="each once"):
        VolumeConfig(anchor="text", others=("video", "text"))
    with pytest.raises(ConfigError, match="an anchor and two others"):
        AreaConfig(anchor="text", others=("video",))
    with pytest.raises(ConfigError, match="label_smoothing"):
        VolumeConfig(anchor="text", others=("video",), label_smoothing=1.0)

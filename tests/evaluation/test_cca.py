from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from evaluation_maker import evaluated, write_dataset

from trichord.errors import ConfigError, DataError
from trichord.evaluation.cca import fit_cca
from trichord.evaluation.cca_baseline import CcaGrid, CcaSplits, tuned_cca
from trichord.evaluation.retrieval import evaluate_task
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet
from trichord.modality import STANDARD, Task, parse_pair


def planted(rows: int, correlations: list[float], extra: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views, each a random invertible mix, whose canonical correlations are those given (then zeros)."""
    generator = np.random.default_rng(seed)
    rho = np.array(correlations)
    shared = generator.normal(size=(rows, len(rho)))
    noise = generator.normal(size=(rows, len(rho)))
    x = np.concatenate([shared, generator.normal(size=(rows, extra))], axis=1)
    y = np.concatenate([rho * shared + np.sqrt(1 - rho**2) * noise, generator.normal(size=(rows, extra + 1))], axis=1)
    return x @ generator.normal(size=(x.shape[1],) * 2) + 3.0, y @ generator.normal(size=(y.shape[1],) * 2) - 1.0


@pytest.mark.parametrize("swap", [False, True])
def test_planted_correlations_are_found(swap: bool) -> None:
    x, y = planted(40000, [0.9, 0.6, 0.3], 2, 0)
    cca = fit_cca(*((y, x) if swap else (x, y)), 0.0, 0.0, 4)
    assert cca.correlations == pytest.approx([0.9, 0.6, 0.3, 0.0], abs=0.03)


def test_equals_another_derivation_of_the_ridge_solution() -> None:
    """The squared correlations are the eigenvalues of Cxx^-1 Cxy Cyy^-1 Cyx (ridges added), without any whitening."""
    x, y = planted(200, [0.8, 0.5], 1, 1)
    ridge_x, ridge_y = 0.2, 0.7
    cca = fit_cca(x, y, ridge_x, ridge_y, 3)
    left, right = x - x.mean(0), y - y.mean(0)
    left, right = left / np.sqrt((left**2).mean()), right / np.sqrt((right**2).mean())
    cxx = left.T @ left / 200 + ridge_x * np.eye(3)
    cyy = right.T @ right / 200 + ridge_y * np.eye(4)
    cxy = left.T @ right / 200
    squares = np.linalg.eigvals(np.linalg.inv(cxx) @ cxy @ np.linalg.inv(cyy) @ cxy.T).real
    assert cca.correlations == pytest.approx(np.sqrt(np.sort(squares)[::-1]))


def test_projections_are_white_and_correlate_in_pairs_only() -> None:
    x, y = planted(500, [0.9, 0.4], 2, 2)
    cca = fit_cca(x, y, 0.0, 0.0, 4)
    left, right = (x - cca.mean_x) @ cca.weights_x, (y - cca.mean_y) @ cca.weights_y
    assert left.T @ left / 500 == pytest.approx(np.eye(4), abs=1e-8)
    assert right.T @ right / 500 == pytest.approx(np.eye(4), abs=1e-8)
    assert left.T @ right / 500 == pytest.approx(np.diag(cca.correlations), abs=1e-8)
    assert cca.scales(2, 2.0) == pytest.approx(cca.correlations[:2] ** 2)


def test_units_of_the_features_do_not_matter() -> None:
    x, y = planted(100, [0.7], 2, 3)
    plain, scaled = fit_cca(x, y, 0.5, 0.1, 2), fit_cca(1000 * x, y / 50, 0.5, 0.1, 2)
    assert scaled.correlations == pytest.approx(plain.correlations)


def test_degenerate_sides() -> None:
    x, y = planted(50, [0.7], 2, 4)
    doubled = fit_cca(np.concatenate([x, x], axis=1), y, 0.0, 0.0, 3)
    assert doubled.correlations == pytest.approx(fit_cca(x, y, 0.0, 0.0, 3).correlations, abs=1e-6)
    with pytest.raises(DataError, match="are equal"):
        fit_cca(np.ones((50, 3)), y, 1.0, 1.0, 1)
    with pytest.raises(DataError, match="NaN"):
        fit_cca(np.full((50, 3), np.nan), y, 1.0, 1.0, 1)
    with pytest.raises(DataError, match="two or more"):
        fit_cca(x[:1], y[:1], 1.0, 1.0, 1)
    with pytest.raises(ConfigError, match="at least 0"):
        fit_cca(x, y, -1.0, 1.0, 1)


@pytest.fixture
def corpus(tmp_path):
    """Video and audio share latents with text, half of them each; two captions per item, some items without audio."""
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(300, 8))
    owners = np.repeat(np.arange(300), 2)
    audio_items = np.flatnonzero(generator.random(300) < 0.9)

    def view(columns: np.ndarray, width: int, noise: float) -> np.ndarray:
        mixed = columns @ generator.normal(size=(columns.shape[1], width))
        return mixed + noise * generator.normal(size=mixed.shape)

    features = {
        "video": (100.0 * view(latent[:, :4], 10, 0.8), np.arange(300)),
        "audio": (view(latent[audio_items, 4:], 9, 0.8), audio_items),
        "text": (view(latent[owners], 12, 0.8), owners),
    }
    dataset = write_dataset(tmp_path / "data", features, ["train"] * 150 + ["val"] * 50 + ["test"] * 100)
    return dataset, CcaSplits(dataset.split("train"), dataset.split("val"), dataset.split("test"))


def items_of(items: np.ndarray) -> EvaluationSet:
    return dataclasses.replace(evaluated(3), items=items)


SMALL = CcaGrid(ridges=(0.01, 1.0), dims=(2, 6), exponents=(1.0,))


def test_baseline_is_far_above_chance_and_joined_gallery_helps(corpus) -> None:
    dataset, splits = corpus
    recalls = {}
    for spelling in ("T-V", "T-A", "T-VA"):
        pair = parse_pair(spelling, STANDARD)
        tuned = tuned_cca(dataset, pair, splits, SMALL)
        assert set(tuned.tables) == {*pair.left, *pair.right}
        assert set(tuned.tables["text"].items.tolist()) == set(splits.test.tolist())
        assert tuned.num_tried == 2 * 2 * 2 * 2
        test = items_of(splits.test)
        result = evaluate_task(tuned.tables, Task(pair.left, pair.right), test, EvaluationConfig(num_resamples=50))
        recalls[spelling] = result.metrics["R@1"].value
    assert recalls["T-V"] > 20.0
    assert recalls["T-VA"] > recalls["T-V"] + 5.0


def test_sum_of_tables_is_the_projection_of_the_concatenation(corpus) -> None:
    dataset, splits = corpus
    grid = CcaGrid(ridges=(0.1,), dims=(4,), exponents=(1.0,), caption_uses=("mean",))
    tuned = tuned_cca(dataset, parse_pair("T-VA", STANDARD), splits, grid)
    rows = np.concatenate([splits.fit, splits.select])
    rows = rows[dataset.has("audio")[rows]]

    def read(name: str, items: np.ndarray) -> np.ndarray:
        index = dataset.instances(name)
        means = [
            dataset.read(name, np.arange(index.first[i], index.first[i] + index.count[i])).values.mean(0) for i in items
        ]
        return np.array(means, dtype=float)

    video, audio, text = (read(name, rows) for name in ("video", "audio", "text"))
    factors = [np.sqrt(((found - found.mean(0)) ** 2).mean()) for found in (video, audio)]
    cca = fit_cca(text, np.concatenate([video / factors[0], audio / factors[1]], axis=1), 0.1, 0.1, 4)
    held = splits.test[dataset.has("audio")[splits.test]]
    joined = np.concatenate([read("video", held) / factors[0], read("audio", held) / factors[1]], axis=1)
    expected = (joined - cca.mean_y) @ cca.weights_y * cca.correlations
    video_rows = np.isin(tuned.tables["video"].items, held)
    found = tuned.tables["video"].vectors[video_rows] + tuned.tables["audio"].vectors
    signs = np.sign((found * expected).sum(axis=0))
    assert found * signs == pytest.approx(expected, abs=1e-4)


def test_choice_never_sees_the_test_split(corpus) -> None:
    dataset, splits = corpus
    pair = parse_pair("T-V", STANDARD)
    whole = tuned_cca(dataset, pair, splits, SMALL)
    fewer = tuned_cca(dataset, pair, CcaSplits(splits.fit, splits.select, splits.test[:10]), SMALL)
    assert (fewer.setting, fewer.selection_mrr) == (whole.setting, whole.selection_mrr)


def test_bad_grids_are_refused(corpus) -> None:
    dataset, splits = corpus
    with pytest.raises(ConfigError, match="ridges is empty"):
        CcaGrid(ridges=())
    with pytest.raises(ConfigError, match="caption_uses are among"):
        CcaGrid(caption_uses=("last",))
    with pytest.raises(ConfigError, match="sums of vectors"):
        tuned_cca(dataset, parse_pair("T-V", STANDARD), splits, SMALL, EvaluationConfig(fusion="sum of unit vectors"))
    few = CcaSplits(splits.fit[:1], splits.select, splits.test)
    with pytest.raises(ConfigError, match="at least two items"):
        tuned_cca(dataset, parse_pair("T-V", STANDARD), few, SMALL)

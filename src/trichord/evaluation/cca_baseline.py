"""The linear baseline: CCA whose ridges, width and weights are chosen on validation, scored like any model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from trichord.config import Config
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError
from trichord.evaluation.cca import Cca, CcaProblem
from trichord.evaluation.embed import EmbeddingTable, item_instances
from trichord.evaluation.retrieval import rank_task
from trichord.evaluation.settings import EvaluationConfig
from trichord.metrics.retrieval import summarise
from trichord.modality import Pair, Task
from trichord.shapes import Float, Int

CAPTION_USES = ("each", "mean")


@dataclass(frozen=True, kw_only=True)
class CcaGrid(Config):
    """What is tried on validation.

    Args:
        ridges: for either side on its own, in units of its mean variance per feature.
        dims: numbers of directions.
        exponents: of the correlations, as weights of the directions.
        caption_uses: how items with several instances are fitted: "each" instance paired with the item's other side,
            or the "mean" of them.
    """

    ridges: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 3.0, 10.0)
    dims: tuple[int, ...] = (16, 32, 64, 128)
    exponents: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    caption_uses: tuple[str, ...] = CAPTION_USES

    def __post_init__(self) -> None:
        for name in ("ridges", "dims", "exponents", "caption_uses"):
            if not getattr(self, name):
                raise ConfigError(f"CcaGrid.{name} is empty; give at least one value")
        if set(self.caption_uses) - set(CAPTION_USES):
            raise ConfigError(f"CcaGrid.caption_uses are among {CAPTION_USES}, got {self.caption_uses}")


@dataclass(frozen=True, kw_only=True)
class CcaSetting(Config):
    """One point of the grid: `left` and `right` are the sides of the pair."""

    ridge_left: float
    ridge_right: float
    dim: int
    exponent: float
    caption_use: str


@dataclass(frozen=True)
class TunedCca:
    """The baseline, ready to be scored by `evaluate_task` with fusion "sum of vectors".

    Args:
        tables: modality name -> vectors of the test items.
        setting: the point that was chosen.
        selection_mrr: its MRR on the selection split, averaged over both directions.
        num_tried: points of the grid.
    """

    tables: Mapping[str, EmbeddingTable]
    setting: CcaSetting
    selection_mrr: float
    num_tried: int


@dataclass(frozen=True)
class CcaSplits:
    """Rows of the items to fit on, to select on, and to embed at the end."""

    fit: Int[np.ndarray, " fit"]
    select: Int[np.ndarray, " select"]
    test: Int[np.ndarray, " test"]


def tuned_cca(
    dataset: Dataset,
    pair: Pair,
    splits: CcaSplits,
    grid: CcaGrid | None = None,
    evaluation: EvaluationConfig | None = None,
) -> TunedCca:
    """Fit every point of the grid on `fit`, choose by MRR on `select`, fit the chosen one on both, embed `test`.

    A side of several modalities is the concatenation of their features, each brought to mean variance 1; its
    projection is a sum over modalities, so each gets a table of its own and `evaluate_task` sums them. Sequences enter
    as the mean of their steps. Fitted on items that hold every modality of the pair.

    Args:
        evaluation: the protocol of the selection; its captions, similarity and chunk are used.
    """
    grid = CcaGrid() if grid is None else grid
    evaluation = EvaluationConfig() if evaluation is None else evaluation
    if evaluation.fusion != "sum of vectors":
        raise ConfigError(f"CCA's sides are sums of vectors; got the fusion {evaluation.fusion!r}")
    names = (*pair.left, *pair.right)
    best: tuple[float, CcaSetting] | None = None
    num_tried = 0
    select = {name: _features(dataset, name, splits.select) for name in names}
    for setting, model in _fitted(dataset, pair, splits.fit, grid):
        num_tried += 1
        tables = _embed(select, pair, model, setting)
        score = _mean_mrr(tables, pair, splits.select, evaluation)
        if best is None or score > best[0]:
            best = (score, setting)
    assert best is not None, "a grid has at least one point"
    score, setting = best
    rows = np.concatenate([splits.fit, splits.select])
    problem = _problem(dataset, pair, rows, setting.caption_use)
    fitted = problem.fit(setting.ridge_left, setting.ridge_right, setting.dim)
    test = {name: _features(dataset, name, splits.test) for name in names}
    return TunedCca(_embed(test, pair, fitted, setting), setting, score, num_tried)


@dataclass(frozen=True)
class _Features:
    """(instances, features) of one modality and (instances,) the item of each."""

    values: np.ndarray
    items: np.ndarray


@dataclass(frozen=True)
class _PairModel:
    """A fitted CCA and the scale of each modality inside its side."""

    cca: Cca
    scales: Mapping[str, float]


@dataclass(frozen=True)
class _PairProblem:
    problem: CcaProblem
    scales: Mapping[str, float]

    def fit(self, ridge_left: float, ridge_right: float, dim: int) -> _PairModel:
        return _PairModel(self.problem.solve(ridge_left, ridge_right, dim), self.scales)


def _fitted(dataset: Dataset, pair: Pair, items: np.ndarray, grid: CcaGrid) -> Iterator[tuple[CcaSetting, _PairModel]]:
    """Yield every point of the grid with its fitted model; ridges are solved once for all widths and exponents."""
    names = (*pair.left, *pair.right)
    several = any((dataset.instances(name).count[items] > 1).any() for name in names)
    for use in grid.caption_uses if several else ("each",):
        problem = _problem(dataset, pair, items, use)
        for ridge_left, ridge_right in product(grid.ridges, grid.ridges):
            model = problem.fit(ridge_left, ridge_right, max(grid.dims))
            available = len(model.cca.correlations)
            for dim, exponent in product(sorted({min(dim, available) for dim in grid.dims}), grid.exponents):
                yield (
                    CcaSetting(
                        ridge_left=ridge_left,
                        ridge_right=ridge_right,
                        dim=dim,
                        exponent=exponent,
                        caption_use=use,
                    ),
                    model,
                )


def _problem(dataset: Dataset, pair: Pair, items: np.ndarray, use: str) -> _PairProblem:
    """Pair the rows of both sides over the items that hold every modality."""
    names = (*pair.left, *pair.right)
    complete = items[np.all([dataset.has(name)[items] for name in names], axis=0)]
    if len(complete) < 2:
        raise ConfigError(f"CCA of {' and '.join(names)} needs at least two items that hold all, got {len(complete)}")
    features = {name: _features(dataset, name, complete) for name in names}
    counts = {
        name: np.bincount(_places(found.items, complete), minlength=len(complete)) for name, found in features.items()
    }
    several = [name for name in names if (counts[name] > 1).any()]
    if use == "each" and len(several) > 1:
        raise ConfigError(f"{' and '.join(several)} both have several instances per item; use caption_uses=('mean',)")
    repeats = counts[several[0]] if use == "each" and several else np.ones(len(complete), dtype=np.int64)
    rows: dict[str, np.ndarray] = {}
    for name, found in features.items():
        if use == "each" and name in several:
            rows[name] = found.values
        else:
            rows[name] = np.repeat(_mean_per_item(found, complete, counts[name]), repeats, axis=0)
    scales = {name: float(np.sqrt(np.mean((found - found.mean(axis=0)) ** 2))) or 1.0 for name, found in rows.items()}
    left, right = (
        np.concatenate([rows[name] / scales[name] for name in side], axis=1) for side in (pair.left, pair.right)
    )
    return _PairProblem(CcaProblem(left, right), scales)


def _features(dataset: Dataset, name: str, items: np.ndarray) -> _Features:
    instances, owners = item_instances(dataset, name, items)
    read = dataset.read(name, instances)
    values = read.values.astype(np.float64)
    if read.lengths is not None:
        values = values.sum(axis=1) / read.lengths[:, None]
    return _Features(values, owners)


def _places(owners: np.ndarray, items: np.ndarray) -> np.ndarray:
    order = np.argsort(items, kind="stable")
    places: np.ndarray = order[np.searchsorted(items, owners, sorter=order)]
    return places


def _mean_per_item(found: _Features, items: np.ndarray, counts: np.ndarray) -> Float[np.ndarray, "items features"]:
    sums = np.zeros((len(items), found.values.shape[1]))
    np.add.at(sums, _places(found.items, items), found.values)
    means: np.ndarray = sums / counts[:, None]
    return means


def _embed(
    features: Mapping[str, _Features], pair: Pair, model: _PairModel, setting: CcaSetting
) -> dict[str, EmbeddingTable]:
    """Project each modality's instances; the projections of a side's modalities sum to that of the side."""
    tables: dict[str, EmbeddingTable] = {}
    cca = model.cca
    sides = ((pair.left, cca.mean_x, cca.weights_x), (pair.right, cca.mean_y, cca.weights_y))
    factors = cca.scales(setting.dim, setting.exponent)
    for names, mean, weights in sides:
        first = 0
        for name in names:
            last = first + features[name].values.shape[1]
            centred = features[name].values / model.scales[name] - mean[first:last]
            vectors = centred @ (weights[first:last, : setting.dim] * factors)
            tables[name] = EmbeddingTable(vectors.astype(np.float32), features[name].items)
            first = last
    return tables


def _mean_mrr(
    tables: Mapping[str, EmbeddingTable], pair: Pair, items: np.ndarray, evaluation: EvaluationConfig
) -> float:
    tasks = (Task(pair.left, pair.right), Task(pair.right, pair.left))
    return sum(summarise(rank_task(tables, task, items, evaluation).scores).mrr for task in tasks) / len(tasks)

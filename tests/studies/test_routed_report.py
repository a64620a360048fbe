"""What a routed model is held beside: the base that was trained by itself, by its own best way, whatever way won."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encode_cases import finished_run, write_pair

import trichord
from trichord.adapters.settings import BASE
from trichord.config import replaced
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.evaluation import EvaluationConfig, evaluation_set
from trichord.evaluation.candidates import Candidate, candidates
from trichord.evaluation.route import RouteConfig
from trichord.modality import STANDARD, parse_task
from trichord.reports.pairs.effects import find_effects
from trichord.reports.pairs.report import ONE_ALONE, OWN_FUSION, ROUTED, SAME_FUSION, PairsReport
from trichord.runs import RunDirectory
from trichord.runs.adapted import AFTER, TOGETHER
from trichord.studies.pairs_rivals import order_rivals
from trichord.studies.routed_report import Context, Way, report_routes
from trichord.studies.routing import (
    Routed,
    SeedBanks,
    Splits,
    base_routes,
    find_routes,
    measure_routes,
    own_fusion,
    same_fusion,
)

SCORING = EvaluationConfig(num_resamples=20)
TASKS = tuple(parse_task(spelled, STANDARD) for spelled in ("T>V", "T>VA"))
SHARED = "shared weights, same fusion"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of other weights with an adapter each, of which the second stands for one learnt together."""
    path = tmp_path_factory.mktemp("routed")
    dataset = write_planted(path / "data", PlantedConfig(num_items={"train": 8, "val": 25, "test": 30}))
    for seed, name in enumerate((AFTER, TOGETHER)):
        bare = trichord.load(finished_run(path / name, dataset, seed=seed), device="cpu")
        write_pair(path / f"over {name}" / "VT", bare, "video", "text")
    return path


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return Dataset.open(folder / "data")


def few(candidate: Candidate) -> bool:
    """Fewer weights than there are, for time."""
    return all(leg.weight * 4 == round(leg.weight * 4) for leg in candidate.route.legs)


def splits(dataset: Dataset) -> Splits:
    return Splits(evaluation_set(dataset, "val"), evaluation_set(dataset, "test"))


@pytest.fixture(scope="module")
def ways(folder: Path, dataset: Dataset) -> dict[str, Way]:
    found = {}
    for name in (AFTER, TOGETHER):
        model = trichord.load(folder / name, device="cpu")
        model.load_adapter(folder / f"over {name}" / "VT")
        banks = (SeedBanks(0, model.bank, model.bank),)
        routed = find_routes(banks, dataset, TASKS, splits(dataset), scoring=SCORING, rule="best", usable=few)
        found[name] = Way(name, banks, routed)
    return found


def lead(way: Way, mrr: float) -> Way:
    """The way with this mean reciprocal rank on validation, and on T>VA with a base that likes a fusion of its own."""
    choices = {task: replace(choice, mrr=mrr) for task, choice in way.routed.choices.items()}
    liked = next(found for found in candidates(TASKS[1], {}) if found.route.legs[0].weight == 0.4)
    choices["T>VA"] = replace(choices["T>VA"], base=liked)
    return replace(way, routed=replace(way.routed, choices=choices))


def report(dataset: Dataset, *ways: Way) -> PairsReport:
    return report_routes(Context("made", dataset, TASKS, splits(dataset), SCORING), ways)


def numbers(found: PairsReport, label: str) -> dict[str, float]:
    return {row.task: row.mean for row in found.rows if (row.label, row.metric) == (label, "MRR")}


def measured(routed: Routed, routes: dict[str, RouteConfig], dataset: Dataset) -> dict[str, float]:
    entry = measure_routes("x", routed.measured, routed.seeds, routes, splits(dataset).measured, SCORING)
    return {task: result.scores.reciprocal_rank.mean() for task, result in entry.results[0].items()}


@pytest.mark.parametrize("winner", [AFTER, TOGETHER])
def test_the_base_is_the_one_trained_by_itself_whatever_way_won(
    winner: str, ways: dict[str, Way], dataset: Dataset
) -> None:
    ranked = [lead(way, 0.9 if name == winner else 0.1) for name, way in ways.items()]
    found = report(dataset, *ranked)
    joint, routed = (next(way.routed for way in ranked if way.name == name) for name in (AFTER, winner))
    expected = {
        ROUTED: (routed, routed.routes()),
        BASE: (joint, base_routes(TASKS, dataset)),
        OWN_FUSION: (joint, own_fusion(joint)),
        SAME_FUSION: (joint, same_fusion(routed)),
    }
    if winner == TOGETHER:
        expected[SHARED] = (routed, same_fusion(routed))
    assert set(found.labels) == {*expected, ONE_ALONE, f"routed, {AFTER if winner == TOGETHER else TOGETHER}"}
    for label, (of, routes) in expected.items():
        assert numbers(found, label) == pytest.approx(measured(of, routes, dataset)), label
    other = ways[TOGETHER].routed
    assert numbers(found, BASE) != pytest.approx(measured(other, base_routes(TASKS, dataset), dataset))
    assert set(found.rivals) == set(found.labels) - {ROUTED}
    assert {c.b for c in found.comparisons if c.a == OWN_FUSION} == {BASE}
    for effect in find_effects(found.tasks, found.comparisons, found.rows, "MRR"):
        means = {label: numbers(found, label)[effect.task] for label in (ROUTED, BASE, OWN_FUSION)}
        assert effect.adapters is not None
        assert effect.fusion is not None
        assert effect.adapters.difference == pytest.approx(means[ROUTED] - means[OWN_FUSION])
        assert effect.fusion.difference == pytest.approx(means[OWN_FUSION] - means[BASE])
    assert set(numbers(found, ONE_ALONE)) == {"T>VA"}, "a task of two modalities has no part"


def test_where_all_was_learnt_together_the_base_is_what_pairs_share_and_said_to_be(
    ways: dict[str, Way], dataset: Dataset
) -> None:
    found = report(dataset, ways[TOGETHER])
    assert "weights that all pairs share" in found.about[BASE]
    assert SHARED not in found.labels
    shared = measured(ways[TOGETHER].routed, base_routes(TASKS, dataset), dataset)
    assert numbers(found, BASE) == pytest.approx(shared)


@pytest.mark.parametrize("kind", ["weighted scores", "single", "sum"])
def test_an_order_is_measured_by_the_way_of_the_base_too_where_that_is_no_sum(
    kind: str, folder: Path, dataset: Dataset
) -> None:
    run = RunDirectory(folder / TOGETHER)
    changes = {"evaluation.tasks": ("T>V", "T>VA"), "evaluation.scoring.num_resamples": 20}
    config = replaced(run.record().config, changes)
    own = next(way.route for way in candidates(TASKS[1], {}) if way.kind == kind)
    fusion = {"T>V": base_routes(TASKS, dataset)["T>V"], "T>VA": own}
    summed, *fused = order_rivals("A_VT", [run], dataset, splits(dataset), config, fusion)
    assert summed.entry.label == "A_VT"
    assert set(summed.entry.results[0]) == {"T>V", "T>VA"}
    assert [rival.entry.label for rival in fused] == ([] if kind == "sum" else ["A_VT, fused"])
    for rival in fused:
        assert set(rival.entry.results[0]) == {"T>VA"}, "T>V is the same by either"
        there, here = (entry.results[0]["T>VA"].scores.rank for entry in (rival.entry, summed.entry))
        assert not np.array_equal(there, here)

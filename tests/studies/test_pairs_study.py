"""The study of pairs: from data to routes, tables and a page, in parts if need be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pairs_cases import SHORT, pairs_study, three_modalities, video_and_audio

import trichord
from trichord.adapters.settings import BASE
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError
from trichord.metrics.bootstrap import holm
from trichord.modality import Pair
from trichord.reports.pairs.report import ONE_ALONE, OWN_FUSION, ROUTED, SAME_FUSION
from trichord.runs import RunDirectory, RunOptions
from trichord.runs.routes_file import read_routes
from trichord.studies import machine
from trichord.studies.pairs import PairsOutcome, PairsStudy, run_pairs_study

QUIET = RunOptions(progress=False)
TASKS = ("V>T", "VA>T")
FULL = {
    "orders": ("VT",),
    "num_seeds": 2,
    "changes": SHORT | {"evaluation.tasks": TASKS},
    "refit": True,
    "with_together": True,
    "with_specialists": True,
}


def carry_out(study: PairsStudy, dataset: Dataset, out: Path) -> PairsOutcome:
    return run_pairs_study(study, dataset, out, workers=1, options=QUIET)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> PairsOutcome:
    return carry_out(pairs_study("VT", **FULL), three_modalities(folder), folder / "study")


def test_the_folder_holds_both_phases_a_table_routes_and_a_page(outcome: PairsOutcome, folder: Path) -> None:
    study = folder / "study"
    for phase in ("selection", "runs"):
        for label in ("base", "together", "VT", "adapter-VT", "specialist-VT"):
            for seed in range(2):
                assert RunDirectory(study / phase / label / f"seed-{seed}").finished
    assert json.loads((study / "table.json").read_text()) == json.loads(json.dumps(outcome.report.to_dict()))
    assert outcome.page.read_text().startswith("<!")
    assert RunDirectory(study / "runs" / "base" / "seed-0").record().config.fit_splits == ("train", "val")
    assert RunDirectory(study / "runs" / "adapter-VT" / "seed-1").record().config.fit_splits == ("train", "val")
    assert RunDirectory(study / "selection" / "adapter-VT" / "seed-1").record().config.fit_splits == ("train",)


def test_the_json_has_everything(outcome: PairsOutcome, folder: Path) -> None:
    table = json.loads((folder / "study" / "table.json").read_text())
    assert table["chosen_on"] == "val"
    assert table["split"] == "test"
    assert table["seeds"] == [0, 1]
    assert table["tasks"] == list(TASKS)
    ways = {way["name"]: way["chosen"] for way in table["ways"]}
    assert set(ways) == {"after the base", "together with the base"}
    assert sorted(ways.values()) == [False, True]
    other = next(name for name, chosen in ways.items() if not chosen)
    shared = ["shared weights, same fusion"] if ways["together with the base"] else []
    labels = [ROUTED, BASE, OWN_FUSION, SAME_FUSION, ONE_ALONE, *shared, f"routed, {other}", "VT", "specialists"]
    assert list(table["entries"]) == labels
    assert {row["entry"] for row in table["rows"]} == set(labels)
    for label in ("specialists", "VT"):  # neither has what VA>T needs
        assert {row["task"] for row in table["rows"] if row["entry"] == label} == {"V>T"}
    assert {row["task"] for row in table["rows"] if row["entry"] == ONE_ALONE} == {"VA>T"}
    assert {row["metric"] for row in table["rows"]} == {"R@1", "R@5", "R@10", "MedR", "MeanR", "MRR"}
    assert all(set(row["per_seed"]) == {"0", "1"} for row in table["rows"])
    assert {pair["b"] for pair in table["paired"] if pair["a"] == ROUTED} == set(labels) - {ROUTED}
    assert {(pair["a"], pair["b"]) for pair in table["paired"] if pair["a"] != ROUTED} == {(OWN_FUSION, BASE)}
    families: dict[tuple[str, str, str], list[dict]] = {}
    for pair in table["paired"]:
        families.setdefault((pair["a"], pair["b"], pair["metric"]), []).append(pair)
    for family in families.values():
        assert [pair["p_holm"] for pair in family] == holm([pair["p"] for pair in family])
    assert [route["task"] for route in table["routes"]] == list(TASKS)
    assert {(cell["adapter"], cell["task"]) for cell in table["matrix"]} >= {(BASE, task) for task in TASKS}
    assert {cell["task"] for cell in table["matrix"] if cell["own_pair"]} == {"V>T"}
    assert {report["task"] for report in table["modalities"]} == {"VA>T"}
    assert set(table["verdicts"]) == {"base", "together", "VT", "adapter VT", "specialist VT"}
    assert table["answers"]
    assert table["notes"]


def test_the_effects_of_fusion_and_of_adapters_add_up(outcome: PairsOutcome) -> None:
    report = outcome.report
    for task in TASKS:
        routed, base, fused = (report.row(label, task, "R@10").mean for label in (ROUTED, BASE, OWN_FUSION))
        whole, adapters = (report.comparison(rival, task, "R@10").difference for rival in (BASE, OWN_FUSION))
        fusion = next(
            c.difference for c in report.comparisons if (c.a, c.b, c.task, c.metric) == (OWN_FUSION, BASE, task, "R@10")
        )
        assert whole == pytest.approx(routed - base)
        assert fusion == pytest.approx(fused - base)
        assert whole == pytest.approx(adapters + fusion)


def test_routes_belong_to_the_runs_of_their_seed(outcome: PairsOutcome, folder: Path) -> None:
    way = next(way.name for way in outcome.report.ways if way.chosen)
    for seed, path in ((0, outcome.routes), (1, folder / "study" / "routes" / "seed-1" / "routes.json")):
        label = "base" if way == "after the base" else "together"
        model = trichord.load(folder / "study" / "runs" / label / f"seed-{seed}", device="cpu")
        if label == "base":
            model.load_adapter(folder / "study" / "runs" / "adapter-VT" / f"seed-{seed}")
        model.load_routes(path)
        assert set(model.routes) == set(TASKS)
    first, second = (read_routes(path) for path in (outcome.routes, path))
    assert first.routes == second.routes, "one choice for all seeds"
    assert first.base != second.base


@pytest.mark.slow
def test_again_trains_nothing_and_reports_the_same(outcome: PairsOutcome, folder: Path) -> None:
    models = {path: path.stat().st_mtime_ns for path in (folder / "study").rglob("*.safetensors")}
    again = carry_out(pairs_study("VT", **FULL), three_modalities(folder), folder / "study")
    assert {path: path.stat().st_mtime_ns for path in models} == models
    assert again.report == outcome.report


def stop_before(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], None]:
    """Interrupt the study instead of carrying out its run of this number."""
    done, carry = [], machine.carry_out

    def counted(*given: object) -> machine.Outcome:
        if len(done) == number:
            return machine.Outcome(Path("x"), "interrupted")
        done.append(given)
        return carry(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(machine, "carry_out", counted)
    return lambda: monkeypatch.setattr(machine, "carry_out", carry)


@pytest.mark.slow
def test_two_modalities_are_enough_and_a_stopped_study_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, study = video_and_audio(tmp_path), pairs_study("VA", base="VA", refit=True)
    whole = carry_out(study, dataset, tmp_path / "whole")
    assert whole.report.tasks == ("A>V", "V>A")
    assert whole.report.modalities == ()
    assert [line.name for line in whole.report.adapters] == ["VA"]
    for number in (1, 2):  # before the adapter of the selection; started again, before that of the refit
        undo = stop_before(monkeypatch, number)
        with pytest.raises(KeyboardInterrupt):
            carry_out(study, dataset, tmp_path / "parts")
        undo()
    assert not (tmp_path / "parts" / "table.json").exists()
    parts = carry_out(study, dataset, tmp_path / "parts")
    assert replace(parts.report, folders=()) == replace(whole.report, folders=())


@pytest.mark.slow
def test_two_workers_report_what_one_does(tmp_path: Path) -> None:
    dataset, study = video_and_audio(tmp_path), pairs_study("VA", base="VA", num_seeds=2)
    found = [
        run_pairs_study(study, dataset, tmp_path / str(workers), workers=workers, options=QUIET).report
        for workers in (1, 2)
    ]
    assert [report.tasks for report in found] == [("A>V", "V>A")] * 2
    for one, two in zip(found[0].rows, found[1].rows, strict=True):
        assert two.mean == pytest.approx(one.mean, abs=3.0), "other numbers of threads round otherwise"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"changes": {"selection.split": None}}, ConfigError, "routes are chosen on a validation split: name one"),
        ({"changes": {"selection.split": "test"}}, ConfigError, "split 'test' would both choose the epoch and be rep"),
        ({"changes": {"fit_splits": ("train", "val")}}, ConfigError, "split 'val' would be learnt from and measured"),
        ({"changes": {"selection.split": "exam"}}, DataError, r"no split named \['exam'\]"),
        ({"base": "VA", "pairs": (Pair(("video",), ("text",)),)}, ConfigError, "pair VT needs text, which the base VA"),
        ({"base": "VA", "orders": ("AT",)}, ConfigError, r"the order AT answers none of the base's tasks \['A>V', 'V>"),
        ({"base": "VT_A", "with_together": True}, ConfigError, "together with the base VT_A: .*Leave them out"),
        ({"orders": ("AVT",)}, ConfigError, "orders stand beside the base AVT, each once"),
        ({"num_seeds": 0}, ConfigError, "at least one seed, got 0"),
        ({"pairs": ()}, ConfigError, "at least one pair, each once"),
        (
            {"pairs": (Pair(("video",), ("text",)), Pair(("text",), ("video",)))},
            ConfigError,
            "at least one pair, each once",
        ),
    ],
)
def test_bad_studies_are_refused_before_anything_is_trained(
    changes: dict, error: type[Exception], message: str, folder: Path, tmp_path: Path
) -> None:
    own = {"pairs": (Pair(("video",), ("audio",)),)} if changes.get("base") == "VA" else {}
    with pytest.raises(error, match=message):
        carry_out(pairs_study("VT", **own | changes), three_modalities(folder), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_data_that_lack_a_modality_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'AVT' names a modality that is not there \(T\)"):
        carry_out(pairs_study("VT"), video_and_audio(tmp_path), tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_folds_choose_routes_and_one_seed_is_enough_for_the_verdict(folder: Path, tmp_path: Path) -> None:
    changes = SHORT | {"stages.0.keep": "last", "evaluation.tasks": ("V>T",)}
    study = pairs_study("VT", num_seeds=2, refit=True, folds=2, changes=changes)
    dataset = three_modalities(folder)
    outcome = carry_out(study, dataset, tmp_path / "study")
    root = tmp_path / "study"
    assert outcome.report.validation == "train+val in 2 folds"
    assert [path.name for path in sorted((root / "selection" / "base").iterdir())] == ["seed-0"]
    assert [path.name for path in sorted((root / "runs" / "adapter-VT").iterdir())] == ["seed-0", "seed-1"]
    held = []
    for number in range(2):
        fold = Dataset.open(root / "folds" / "data" / f"fold-{number}")
        assert "test" not in fold.spec.splits
        held += fold.split("val").tolist()
        for label in ("base", "adapter-VT"):
            run = RunDirectory(root / "folds" / f"fold-{number}" / label)
            assert run.finished
            record = run.record()
            assert record.dataset.fingerprint == fold.fingerprint()
            assert (record.config.fit_splits, record.config.evaluation.split) == (("train",), "val")
            assert record.config.selection.split is None
    assert sorted(held) == dataset.split("train", "val").tolist()
    assert {line.seed for line in outcome.report.verdicts["base"]} == {0}
    assert carry_out(study, dataset, root).report == outcome.report


@pytest.mark.parametrize(("changes", "rule"), [({"folds": 1}, "two folds or more"), ({"folds": 3}, "or refit")])
def test_folds_that_make_no_sense(changes: dict[str, object], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        pairs_study("VT", **changes)

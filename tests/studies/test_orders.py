"""The study of orders: choose on validation, fit again, measure once, and one table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from study_cases import GRID, SHORT, SMALL, small_dataset, small_study

from trichord.config import replaced
from trichord.data.planted import write_planted
from trichord.errors import ConfigError, DataError, RunError
from trichord.evaluation import EvaluationConfig
from trichord.modality import parse_task
from trichord.recipes import planted
from trichord.runs import RunDirectory, RunOptions
from trichord.studies import StudyOutcome, run_orders_study
from trichord.studies.baselines import linear_baseline
from trichord.studies.orders import refitted

QUIET = RunOptions(progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orders")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> StudyOutcome:
    study = small_study(baseline=GRID)
    return run_orders_study(study, small_dataset(folder), folder / "study", workers=1, options=QUIET)


def test_the_folder_holds_runs_tables_and_a_page(outcome: StudyOutcome, folder: Path) -> None:
    names = {path.name for path in (folder / "study").iterdir()}
    assert {"selection", "runs", "baselines", "table.json", "table.md", "table.csv", "report.html"} <= names
    assert outcome.page == folder / "study" / "report.html"
    for order in ("VT_A", "AVT"):
        for seed in range(2):
            assert RunDirectory(folder / "study" / "runs" / order / f"seed-{seed}").finished


def test_the_json_table_has_what_a_program_needs(outcome: StudyOutcome, folder: Path) -> None:
    table = json.loads((folder / "study" / "table.json").read_text())
    assert {"rows", "paired", "baselines", "protocol"} <= set(table)
    row = next(r for r in table["rows"] if (r["order"], r["task"], r["metric"]) == ("VT_A", "T>V", "R@10"))
    low, high = row["ci95"]
    assert 0 <= low <= row["mean"] <= high <= 100
    assert set(row["per_seed"]) == {"0", "1"}
    assert row["mean"] == pytest.approx(sum(row["per_seed"].values()) / 2)
    wanted = {"a": "VT_A", "b": "AVT", "task": "T>V", "metric": "R@10"}
    pair = next(p for p in table["paired"] if wanted.items() <= p.items())
    assert pair["ci95"][0] <= pair["difference"] <= pair["ci95"][1]
    assert 0 < pair["p"] <= 1
    assert {r["order"] for r in table["baselines"]} == {"linear CCA"}
    assert {r["task"] for r in table["rows"]} == {"T>V", "V>T", "T>A", "A>T", "A>V", "V>A", "T>VA", "VA>T"}


def test_validation_chooses_the_epoch_and_the_refit_learns_from_it_too(outcome: StudyOutcome, folder: Path) -> None:
    selected = [RunDirectory(folder / "study" / "selection" / "VT_A" / f"seed-{seed}") for seed in range(2)]
    final = RunDirectory(folder / "study" / "runs" / "VT_A" / "seed-1")
    config = final.record().config
    assert config.fit_splits == ("train", "val")
    assert config.selection.split is None
    assert [stage["items"] for stage in final.status()["stages"]] == [160, 160]
    for number, stage in enumerate(config.stages):
        best = sorted(directory.status()["stages"][number]["best_epoch"] for directory in selected)
        assert stage.stop_epoch == best[0], "the lower median of two"
        assert stage.epochs == SHORT[f"stages.{number}.epochs"], "the schedule stays that of the selection"
    assert refitted(selected[1].record().config, selected) == config


def test_a_stage_that_keeps_its_last_weights_goes_to_the_end(outcome: StudyOutcome, folder: Path) -> None:
    selected = [RunDirectory(folder / "study" / "selection" / "VT_A" / f"seed-{seed}") for seed in range(2)]
    config = replaced(selected[0].record().config, {"stages.0.keep": "last"})
    stages = refitted(config, selected).stages
    assert [stage.stop_epoch is None for stage in stages] == [True, False]


def test_the_verdicts_shown_are_those_of_the_selection(outcome: StudyOutcome) -> None:
    found = {label: [(v.seed, v.stage) for v in verdicts] for label, verdicts in outcome.table.verdicts.items()}
    assert found["VT_A"] == [(0, "VT"), (0, "VT_A"), (1, "VT"), (1, "VT_A")]
    assert found["AVT"] == [(0, "AVT"), (1, "AVT")]


def test_again_trains_nothing_and_gives_the_same_table(outcome: StudyOutcome, folder: Path) -> None:
    models = {path: path.stat().st_mtime_ns for path in (folder / "study").rglob("model.safetensors")}
    assert len(models) == 8
    study = small_study(baseline=GRID)
    again = run_orders_study(study, small_dataset(folder), folder / "study", workers=1, options=QUIET)
    assert {path: path.stat().st_mtime_ns for path in models} == models
    assert again.table == outcome.table


def test_a_baseline_of_another_grid_is_refused_not_reused(outcome: StudyOutcome, folder: Path) -> None:
    study = small_study(baseline=replace(GRID, ridges=(1.0,)))
    with pytest.raises(RunError, match="linear-cca holds a baseline made with another grid"):
        run_orders_study(study, small_dataset(folder), folder / "study", workers=1, options=QUIET)


def test_a_baseline_on_other_data_is_refused_not_reused(tmp_path: Path) -> None:
    for seed, expected in ((0, None), (1, "linear-cca holds a baseline made with another dataset")):
        dataset = write_planted(tmp_path / "data", replace(SMALL, seed=seed), overwrite=True)
        tasks = [parse_task("T>V", dataset.modalities)]
        choices = {"fit": ["train"], "select": "val", "test": "test", "progress": False}
        scoring = EvaluationConfig(num_resamples=20)
        if expected is None:
            linear_baseline(dataset, tmp_path / "linear-cca", tasks, GRID, scoring=scoring, **choices)
            continue
        with pytest.raises(RunError, match=expected):
            linear_baseline(dataset, tmp_path / "linear-cca", tasks, GRID, scoring=scoring, **choices)


def test_a_selection_task_decides_only_where_a_stage_has_its_modalities(folder: Path, tmp_path: Path) -> None:
    study = small_study(orders=("AV_T",), num_seeds=1, changes=SHORT | {"selection.tasks": ("T>V",)}, refit=False)
    run_orders_study(study, small_dataset(folder), tmp_path / "study", workers=1, options=QUIET)
    metrics = RunDirectory(tmp_path / "study" / "runs" / "AV_T" / "seed-0").metrics()
    measured = {line["stage"]: set(line["metrics"]) for line in metrics if line["kind"] == "validation"}
    assert measured == {0: {"selection", "A>V", "V>A"}, 1: {"selection", "T>V"}}


def test_without_a_refit_the_selection_runs_are_reported(folder: Path, tmp_path: Path) -> None:
    changes = {path: value for path, value in SHORT.items() if "stages.1" not in path}
    study = small_study(orders=("VT",), num_seeds=1, refit=False, changes=changes)
    found = run_orders_study(study, small_dataset(folder), tmp_path / "study", workers=1, options=QUIET)
    assert not (tmp_path / "study" / "selection").exists()
    assert RunDirectory(tmp_path / "study" / "runs" / "VT" / "seed-0").record().config.fit_splits == ("train",)
    assert found.table.labels == ("VT",)


def test_bad_studies_are_refused_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="each order once"):
        small_study(orders=("VT_A", "VT_A"))
    with pytest.raises(ConfigError, match="at least one seed, got 0"):
        small_study(num_seeds=0)
    with pytest.raises(ConfigError, match=r"stages.7.epochs: none of the orders"):
        run_orders_study(small_study(changes={"stages.7.epochs": 1}), small_dataset(folder), tmp_path / "a")
    with pytest.raises(ConfigError, match=r"--set.seed: a study sets this itself, run by run; say --seeds instead"):
        run_orders_study(small_study(changes={"seed": 5}), small_dataset(folder), tmp_path / "a")
    nowhere = small_study(changes=SHORT | {"evaluation.split": "exam"})
    with pytest.raises(DataError, match=r"no split named \['exam'\]"):
        run_orders_study(nowhere, small_dataset(folder), tmp_path / "b")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_a_change_is_made_where_an_order_has_its_place(folder: Path, tmp_path: Path) -> None:
    study = small_study(num_seeds=1, refit=False, changes=SHORT | {"stages.1.epochs": 2})
    run_orders_study(study, small_dataset(folder), tmp_path / "study", workers=1, options=QUIET)
    record = RunDirectory(tmp_path / "study" / "runs" / "VT_A" / "seed-0").record()
    assert record.config.stages[1].epochs == 2
    assert record.changes["stages.1.epochs"] == (planted(small_dataset(folder).spec, "VT_A").stages[1].epochs, 2)
    assert "stages.1.epochs" not in RunDirectory(tmp_path / "study" / "runs" / "AVT" / "seed-0").record().changes

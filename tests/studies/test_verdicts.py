"""The demo's verdict on planted winners: right, level, and wrong."""

import pytest
from study_cases import small_dataset, small_study

from trichord.runs import RunOptions
from trichord.studies import judge_winners, run_orders_study

LONG = {"stages.0.epochs": 30, "stages.1.epochs": 30, "evaluation.scoring.num_resamples": 200}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("verdicts")
    study = small_study(orders=("VT_A", "AV_T"), changes=LONG, refit=False)
    table = run_orders_study(study, small_dataset(folder), folder / "study", options=RunOptions(progress=False)).table
    planted = {"T>V": "VT_A", "A>V": "AV_T", "V>T": "AV_T", "T>X": "VT_A"}
    return {verdict.task: verdict for verdict in judge_winners(table, planted)}


def test_a_clear_winner_holds(verdicts: dict) -> None:
    assert verdicts["T>V"].holds
    assert "ahead of every other order" in verdicts["T>V"].sentence


def test_the_best_mean_alone_does_not_hold(verdicts: dict) -> None:
    assert verdicts["A>V"].found == "AV_T"
    assert not verdicts["A>V"].holds
    assert "not by a paired test" in verdicts["A>V"].sentence


def test_a_wrong_claim_does_not_hold(verdicts: dict) -> None:
    assert not verdicts["V>T"].holds
    assert "did NOT win: VT_A did" in verdicts["V>T"].sentence


def test_a_task_that_was_not_measured_is_left_out(verdicts: dict) -> None:
    assert set(verdicts) == {"T>V", "A>V", "V>T"}

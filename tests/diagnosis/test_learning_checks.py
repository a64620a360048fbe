"""Learning rate, epochs and words: each check on curves whose answer is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from diagnosis_cases import BAD_SCORE, CURVE, ENCODER, STAGE, healthy

from trichord.diagnosis.check_epochs import check_epochs, check_lost, check_warm_up
from trichord.diagnosis.check_rate import check_too_high, check_too_low, loss_trend, reach_of
from trichord.diagnosis.check_words import check_coverage, check_coverage_drop
from trichord.diagnosis.estimate import epochs_needed
from trichord.diagnosis.facts import CoverageFacts, Facts, WeightFacts, WordFacts

FLAT = (9.0,) * 120
ONE = replace(
    STAGE,
    epochs=1,
    epochs_done=1,
    losses=(9.0, 8.9, 8.9, 8.5),
    gradient_norms=(10.0,) * 4,
    loss_epochs=(1,) * 4,
    validation_epochs=(1,),
    validation=(0.05,),
    kept_epoch=1,
)
POOR = (BAD_SCORE, BAD_SCORE)


def of(stage: object, **changes: object) -> Facts:
    return healthy(stages=(stage,), **changes)


def test_the_loss_of_first_and_last_steps() -> None:
    trend = loss_trend(replace(STAGE, losses=(10.0, 10.0, 10.0, *[6.0] * 27), gradient_norms=(1.0,) * 30))
    assert trend is not None
    assert (trend.first, trend.last, trend.fall) == (10.0, 6.0, pytest.approx(0.4))
    assert loss_trend(replace(STAGE, losses=(1.0,), gradient_norms=(1.0,))) is None
    assert loss_trend(replace(STAGE, losses=(), gradient_norms=())) is None


def test_a_healthy_run_has_a_good_rate() -> None:
    assert check_too_high(healthy()) is None
    assert check_too_low(healthy()) is None
    assert reach_of(healthy(), STAGE) == pytest.approx(5e-3 * 120 / 0.07)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"losses": (5.0,) * 20 + (9.0,) * 100}, "the loss rose from 5 to 9"),
        ({"gradient_norms": (1.0,) * 60 + (500.0,) * 60}, "the gradient norm rose from 1 to 500"),
        ({"usual_learning_rate": 5e-6}, "it is 1,000 times the usual one"),
    ],
)
def test_signs_of_a_rate_that_is_too_high(changes: dict, said: str) -> None:
    found = check_too_high(of(replace(STAGE, **changes), scores=POOR))
    assert found is not None
    assert found.severity == "cause"
    assert said in found.sentence


def test_a_high_rate_that_did_no_harm_is_a_warning() -> None:
    found = check_too_high(of(replace(STAGE, usual_learning_rate=5e-6)))
    assert found is not None
    assert found.severity == "warning"


def test_weights_that_were_thrown_away_and_training_that_broke() -> None:
    grown = WeightFacts(True, True, (replace(ENCODER, end_rms=7.0),))
    found = check_too_high(healthy(weights=grown))
    assert found is not None
    assert "weights of the video encoder grew 100-fold" in found.sentence
    broken = check_too_high(healthy(state="failed", error="the loss is not finite at stage 0", weights=None))
    assert broken is not None
    assert "broke down" in broken.sentence
    assert check_too_high(healthy(state="failed", error="disk full")) is None


def test_a_rate_that_is_too_low() -> None:
    slow = replace(STAGE, losses=FLAT, learning_rate=5e-6)
    found = check_too_low(of(slow))
    assert found is not None
    assert "no weight can move by more than 0.0086 of its initial size" in found.sentence
    compared = check_too_low(of(replace(slow, usual_learning_rate=5e-3), weights=None))
    assert compared is not None
    assert "1,000 times below the usual one" in compared.sentence
    assert check_too_low(of(slow, weights=None)) is None, "nothing to compare with"
    assert check_too_low(of(replace(slow, losses=STAGE.losses))) is None, "the loss fell"
    assert check_too_low(of(replace(STAGE, losses=FLAT))) is None, "the rate lets weights move"
    assert check_too_low(of(replace(ONE, learning_rate=1e-3))) is None, "few steps are no low rate"


def test_the_estimate_of_epochs_in_closed_form() -> None:
    epochs = list(range(1, 21))
    exponential = [1 - np.exp(-t / 10) for t in epochs]
    assert epochs_needed(epochs, exponential) == pytest.approx(30, abs=1)
    assert epochs_needed(epochs, [0.01 * t for t in epochs]) is None, "a line has no end"
    assert epochs_needed(epochs, [-value for value in exponential]) is None, "a fall reaches nothing"
    assert epochs_needed(epochs, [0.5] * 20) is None
    assert epochs_needed(epochs[:5], exponential[:5]) is None
    noise = np.random.default_rng(0).standard_normal(20)
    assert epochs_needed(epochs, noise.tolist()) is None


def test_enough_epochs() -> None:
    assert check_epochs(healthy()) is None
    cut_but_flat = replace(STAGE, usual_epochs=100)
    assert check_epochs(of(cut_but_flat)) is None, "shorter than usual, and converged"


def test_one_epoch_with_and_without_knowing_the_recipe() -> None:
    known = check_epochs(of(replace(ONE, usual_epochs=30)))
    assert known is not None
    assert known.severity == "cause"
    assert "1 epoch where 30 are usual, and its 4 steps are fewer than the 20 of the warm-up" in known.sentence
    guessed = check_epochs(of(ONE, scores=POOR))
    assert guessed is not None
    assert guessed.severity == "cause"
    assert check_epochs(of(ONE)) is None, "a good score needs no more"


def test_still_rising_with_an_estimate() -> None:
    epochs = tuple(range(1, 21))
    rising = replace(STAGE, epochs=20, epochs_done=20, validation_epochs=epochs)
    rising = replace(rising, validation=tuple(float(1 - np.exp(-t / 15)) for t in epochs))
    found = check_epochs(of(rising))
    assert found is not None
    assert found.severity == "warning"
    assert re.search(
        "validation was still rising; an exponential .* would need about 4[456] .an estimate", found.sentence
    )
    poor = check_epochs(of(rising, scores=POOR))
    assert poor is not None
    assert poor.severity == "cause"


def test_without_a_validation_split_the_loss_tells() -> None:
    blind = {"validates": False, "validation": (), "validation_epochs": (), "validation_chance": None}
    falling = replace(STAGE, **blind, losses=tuple(9 - 0.05 * t for t in range(120)))
    found = check_epochs(of(falling))
    assert found is not None
    assert "the loss was still falling" in found.sentence
    settled = replace(STAGE, **blind, losses=tuple(2 + 7 * float(np.exp(-t / 8)) for t in range(120)))
    assert check_epochs(of(settled)) is None
    refit = replace(ONE, **blind, usual_epochs=30, stopped_early=True)
    warned = check_epochs(of(refit, scores=POOR))
    assert warned is not None
    assert warned.severity == "warning", "a refit stops where validation said"


def test_a_warm_up_that_outlasts_the_stage() -> None:
    long = replace(STAGE, warmup_steps=5000)
    found = check_warm_up(of(long))
    assert found is not None
    assert "the stage has 120 steps" in found.sentence
    assert check_warm_up(healthy()) is None
    assert check_warm_up(of(replace(ONE, usual_epochs=30))) is None, "the epochs are at fault"
    assert check_warm_up(of(replace(long, steps_per_epoch=None))) is None


def test_what_was_learnt_and_lost_again() -> None:
    lost = (*CURVE[:15], *(0.1,) * 15)
    found = check_lost(of(replace(STAGE, validation=lost, keep="last")))
    assert found is not None
    assert found.severity == "cause"
    assert "after epoch 15" in found.sentence
    assert check_lost(of(replace(STAGE, validation=lost))) is None, "the best epoch was kept"
    assert check_lost(of(replace(ONE, keep="last"))) is None, "one point"
    mild = replace(STAGE, validation=(*CURVE[:15], *(0.3,) * 15), keep="last")
    warned = check_lost(of(mild))
    assert warned is None or warned.severity == "warning"


def words(known: int, *, wordless: int = 0, evaluated: int | None = None) -> Facts:
    there = None if evaluated is None else CoverageFacts("other", 1000, evaluated, 100, 0)
    return healthy(words=(WordFacts("text", CoverageFacts("data", 1000, known, 100, wordless), there),))


@pytest.mark.parametrize(("known", "severity"), [(950, None), (700, None), (690, "warning"), (300, "cause")])
def test_coverage(known: int, severity: str | None) -> None:
    found = check_coverage(words(known))
    assert (None if found is None else found.severity) == severity


def test_captions_left_out_and_coverage_that_differs() -> None:
    assert check_coverage(words(950, wordless=1)) is None
    for wordless, severity in ((10, "warning"), (50, "cause")):
        found = check_coverage(words(950, wordless=wordless))
        assert found is not None
        assert found.severity == severity
        assert f"{wordless} captions were left out" in found.sentence
    worse = check_coverage(words(950, evaluated=300))
    assert worse is not None
    assert "30% of the words in other" in worse.sentence
    drop = check_coverage_drop(words(950, evaluated=750))
    assert drop is not None
    assert "75% of the words in other have a word vector, against 95% in data" in drop.sentence
    assert check_coverage_drop(words(950, evaluated=900)) is None


def test_words_that_were_not_counted_are_not_accused() -> None:
    uncounted = healthy(words=(WordFacts("text", CoverageFacts("data", 0, 0, 100, 0), None),))
    assert check_coverage(uncounted) is None
    assert check_coverage_drop(uncounted) is None

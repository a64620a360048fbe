"""Scores beside chance, another run, and which finding becomes the sentence."""

from dataclasses import replace

import pytest
from diagnosis_cases import BAD_SCORE, ENCODER, SCORE, STAGE, gaussian, healthy, modality

from trichord.diagnosis import conclude
from trichord.diagnosis.check_scores import check_against, check_chance, check_data, check_failed, check_measuring
from trichord.diagnosis.facts import WeightFacts
from trichord.diagnosis.finding import SEVERITIES
from trichord.diagnosis.score_facts import AgainstFacts, ComparedTask, near_chance

POOR = (BAD_SCORE, BAD_SCORE)


@pytest.mark.parametrize(
    ("value", "low", "chance", "expected"),
    [
        (66.0, 56.0, 10.0, False),
        (12.0, 8.0, 10.0, True),
        (2.0, 1.2, 1.0, True),  # surely above chance, and next to nothing
        (8.0, 6.4, 1.0, False),
        (16.0, 11.0, 10.0, False),
    ],
)
def test_near_chance(value: float, low: float, chance: float, expected: bool) -> None:
    assert near_chance(replace(SCORE, value=value, low=low, chance=chance)) is expected


def test_some_tasks_at_chance_are_a_note_and_half_of_them_a_symptom() -> None:
    assert check_chance(healthy()) is None
    assert check_chance(healthy(scores=(), measured="")) is None
    for scores, severity in (((SCORE, SCORE, BAD_SCORE), "note"), ((SCORE, BAD_SCORE), "symptom")):
        found = check_chance(healthy(scores=scores))
        assert found is not None
        assert found.severity == severity
    collapsed = check_chance(healthy(scores=(replace(SCORE, collapsed="collapsed: all vectors are equal"),)))
    assert collapsed is not None
    assert "have collapsed" in collapsed.sentence
    failed = check_chance(healthy(scores=(), measuring_failed="the text vector is zero"))
    assert failed is not None
    assert failed.severity == "symptom"


def test_good_validation_and_a_bad_measurement_clear_the_training() -> None:
    found = check_measuring(healthy(scores=POOR))
    assert found is not None
    assert "not how it was trained" in found.sentence
    assert check_measuring(healthy()) is None
    weak = replace(STAGE, validation=(0.06,) * 30)
    assert check_measuring(healthy(scores=POOR, stages=(weak,))) is None, "validation was no better"
    blind = replace(STAGE, validation=(), validation_epochs=(), validation_chance=None)
    assert check_measuring(healthy(scores=POOR, stages=(blind,))) is None


def test_the_state_and_the_data() -> None:
    assert check_failed(healthy()) is None
    failed, running = check_failed(healthy(state="failed", error="disk full")), check_failed(healthy(state="running"))
    assert failed is not None
    assert failed.sentence == "Mend first what stopped the run: disk full."
    assert running is not None
    assert running.severity == "warning"
    assert check_data(healthy()) is None
    assert check_data(healthy(given_data="other")) is not None


def test_against_another_run() -> None:
    worse = ComparedTask("T>V", "MRR", 0.1, 0.3, -0.25, -0.15, 0.001)
    level = ComparedTask("T>V", "MRR", 0.29, 0.3, -0.05, 0.03, 0.6)
    settings: dict[str, tuple[object, object]] = {"stages.0.epochs": (1, 30)}
    assert check_against(healthy()) is None
    for differ, tasks, severity, said in (
        (
            settings,
            (worse,),
            "warning",
            "settings that differ from there, which is better on T>V: stages.0.epochs 1 here",
        ),
        (settings, (level,), "note", "Against there these settings differ"),
        ({}, (worse,), "warning", "look at the data and the seed"),
        ({}, (level,), "note", "The settings are the same as in there"),
    ):
        found = check_against(healthy(against=AgainstFacts("there", differ, tasks, "")))
        assert found is not None
        assert found.severity == severity
        assert said in found.sentence
    apart = check_against(healthy(against=AgainstFacts("there", {}, (), "the protocols differ")))
    assert apart is not None
    assert apart.sentence.endswith("the protocols differ.")


def test_the_sentence_is_the_first_cause_in_the_order_one_would_look() -> None:
    spoilt = healthy(
        scores=POOR,
        weights=WeightFacts(True, True, (replace(ENCODER, moved_rms=0.0),)),
        modalities=(modality(50 * gaussian(1)),),
        stages=(replace(STAGE, epochs=1, usual_epochs=30, validation=(0.05,), validation_epochs=(1,)),),
    )
    found = conclude(spoilt)
    causes = [finding.check for finding in found.findings if finding.severity == "cause"]
    assert list(dict.fromkeys(causes)) == ["weights", "feature normalisation", "too few epochs"]
    assert found.sentence == found.findings[0].sentence
    ranks = [SEVERITIES.index(finding.severity) for finding in found.findings]
    assert ranks == sorted(ranks)


def test_a_bad_score_without_a_cause_and_a_good_one() -> None:
    weak = replace(STAGE, validation=(0.05,) * 30)
    unexplained = conclude(healthy(scores=POOR, stages=(weak,)))
    assert "none of the usual causes shows" in unexplained.sentence
    fine = conclude(healthy())
    assert fine.sentence == (
        "Nothing is found wrong: R@10 of T>V is 66 against 10 by chance, stage VT: validation flat: converged."
    )
    assert fine.findings == ()
    empty = conclude(healthy(scores=(), stages=(), weights=None, modalities=(), measured=""))
    assert empty.sentence == "Nothing is found wrong: there are no scores, no stage has begun."
    assert {"scores", "weights"} <= {evidence.what for evidence in empty.looked_at}


def test_text_and_plain_data() -> None:
    found = conclude(healthy(modalities=(modality(50 * gaussian(1)),)))
    text = found.to_text().splitlines()
    assert text[0] == found.sentence
    assert text[2] == "cause: feature normalisation"
    assert any(line.startswith("  video: ratio of lengths: ") for line in text)
    data = found.to_dict()
    assert data["findings"][0]["evidence"][0].keys() == {"what", "found", "expected"}

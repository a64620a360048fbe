import pytest

from trichord.errors import ConfigError
from trichord.modality import (
    AUDIO,
    STANDARD,
    TEXT,
    VIDEO,
    Modality,
    Pair,
    Task,
    all_pairs,
    all_tasks,
    check_distinct,
    parse_pair,
    parse_task,
    spell,
    spell_pair,
    spell_task,
    unspell,
)

DEPTH = Modality("depth", "D")


def test_letters_and_names_are_inverse() -> None:
    assert unspell("AV", STANDARD) == ("video", "audio")
    assert spell(("audio", "video"), STANDARD) == "VA"
    assert unspell("V+A", STANDARD) == unspell("VA", STANDARD)


def test_the_standard_tasks_are_the_eight_of_the_study() -> None:
    spelled = [spell_task(task, STANDARD) for task in all_tasks(STANDARD)]
    assert spelled == ["T>V", "V>T", "T>A", "A>T", "A>V", "V>A", "T>VA", "VA>T"]
    assert [parse_task(s, STANDARD) for s in spelled] == list(all_tasks(STANDARD))


def test_tasks_without_text_and_with_a_fourth_modality() -> None:
    assert [spell_task(task, (VIDEO, AUDIO)) for task in all_tasks((VIDEO, AUDIO))] == ["A>V", "V>A"]
    four = (*STANDARD, DEPTH)
    tasks = all_tasks(four)
    assert len(tasks) == 4 * 3 + 2
    assert Task(("text",), ("video", "audio", "depth")) in tasks


def test_pairs() -> None:
    assert len(all_pairs(["a", "b", "c", "d"])) == 6
    assert parse_pair("VT", STANDARD) == parse_pair("V-T", STANDARD) == Pair(("video",), ("text",))
    assert spell_pair(parse_pair("T-VA", STANDARD), STANDARD) == "T-VA"


@pytest.mark.parametrize("spelling", ["", "X", "VV", "v"])
def test_unknown_or_repeated_letters(spelling: str) -> None:
    with pytest.raises(ConfigError, match=r"names a modality"):
        unspell(spelling, STANDARD)


@pytest.mark.parametrize("spelling", ["T", "T>V>A", "T>T", "T>", ">V"])
def test_bad_tasks(spelling: str) -> None:
    with pytest.raises(ConfigError):
        parse_task(spelling, STANDARD)


@pytest.mark.parametrize(("name", "letter"), [("Video", "V"), ("my video", "V"), ("video", "v"), ("video", "VI")])
def test_bad_modalities(name: str, letter: str) -> None:
    with pytest.raises(ConfigError):
        Modality(name, letter)


def test_two_modalities_may_not_share_a_letter() -> None:
    with pytest.raises(ConfigError, match="share a letter"):
        check_distinct([TEXT, Modality("touch", "T")])

import pytest

from trichord.curricula import parse_order, spell_order
from trichord.errors import ConfigError
from trichord.modality import STANDARD, Modality

FOUR = (*STANDARD, Modality("depth", "D"))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("AV_T", [("video", "audio"), ("text",)]),
        ("VT_A", [("video", "text"), ("audio",)]),
        ("AT_V", [("audio", "text"), ("video",)]),
        ("AVT", [("video", "audio", "text")]),
        ("AV_T+", [("video", "audio"), ("video", "audio", "text")]),
        ("AV_T_D", [("video", "audio"), ("text",), ("depth",)]),
    ],
)
def test_who_learns_when(order: str, expected: list[tuple[str, ...]]) -> None:
    stages = parse_order(order, FOUR)
    assert [stage.train for stage in stages] == expected
    assert set(stages[-1].modalities) == set().union(*[stage.new for stage in stages])


@pytest.mark.parametrize("order", ["VA_T", "VT_A", "AT_V", "VAT", "VA_T+", "VA_T_D", "VA_TD+"])
def test_spelling_is_the_inverse_of_parsing(order: str) -> None:
    stages = parse_order(order, FOUR)
    assert parse_order(spell_order(stages, FOUR), FOUR) == stages


@pytest.mark.parametrize("order", ["", "A", "A_VT", "AV_", "AV_V", "AV__T", "AX_T", "AV+_T", "AV_T++"])
def test_bad_orders(order: str) -> None:
    with pytest.raises(ConfigError):
        parse_order(order, STANDARD)

from __future__ import annotations

from trichord.reports import Table
from trichord.reports.remarks import change_lines, setting_line
from trichord.reports.settings import SettingDifference, setting_differences


def test_only_what_differs_is_listed_and_nature_comes_last() -> None:
    a = {"order": "AV_T", "rate": 0.1, "same": 1, "stages": [{"epochs": 3, "modalities": ["v", "a"]}, {"epochs": 9}]}
    b = {"order": "AVT", "rate": 0.2, "same": 1, "stages": [{"epochs": 5, "modalities": ["v", "a", "t"]}]}
    found = {difference.path: difference for difference in setting_differences({"AV_T": a, "AVT": b})}
    assert list(found) == ["rate", "stages.0.epochs", "order", "stages.0.modalities", "stages"]
    assert found["rate"].values == {"AV_T": 0.1, "AVT": 0.2}
    assert found["stages.0.modalities"].values["AV_T"] == "v, a"
    assert [difference.by_nature for difference in found.values()] == [False, False, True, True, True]


def test_a_stage_that_only_some_have_is_compared_among_those() -> None:
    long = {"stages": [{"epochs": 3}, {"epochs": 9}]}
    longer = {"stages": [{"epochs": 3}, {"epochs": 8}]}
    short = {"stages": [{"epochs": 3}]}
    found = {d.path: d.values for d in setting_differences({"a": long, "b": longer, "c": short})}
    assert found["stages.1.epochs"] == {"a": 9, "b": 8}


def test_a_setting_that_only_some_have_is_shown_as_absent() -> None:
    found = setting_differences({"a": {"x": {"kind": 1}}, "b": {"x": {"kind": 1, "extra": 2}}})
    assert found == (SettingDifference("x.extra", {"a": "(absent)", "b": 2}, False),)


def test_a_setting_of_a_modality_is_compared_where_the_modality_is() -> None:
    letters = {"letters": {"video": "V", "text": "T"}}
    one = {**letters, "stages": [{"dims": {"video": 64}}]}
    other = {**letters, "stages": [{"dims": {"text": 64}}]}
    both = {**letters, "stages": [{"dims": {"video": 32, "text": 64}}]}
    found = {d.path: d.values for d in setting_differences({"a": one, "b": other, "c": both})}
    assert found == {"stages.0.dims.video": {"a": 64, "c": 32}}


def test_nothing_differs() -> None:
    assert setting_differences({"a": {"x": 1}, "b": {"x": 1}}) == ()
    assert setting_differences({}) == ()


def test_orders_of_one_recipe_differ_by_nature_only(table: Table) -> None:
    assert table.settings
    assert all(difference.by_nature for difference in table.settings)


def test_lines_group_entries_of_one_value(table: Table) -> None:
    difference = SettingDifference("stages.0.epochs", {"A": 30, "B": 40, "C": 30}, False)
    assert setting_line(difference) == "stages.0.epochs: 30 (A, C); 40 (B)"
    assert change_lines(table) == ("stages.0.epochs: 30 in the recipe, 12 here (AVT)",)

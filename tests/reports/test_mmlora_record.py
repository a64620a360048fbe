from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mmlora_report_cases import GENRES, WORDS, make_mmlora_report

from trichord.errors import DataError
from trichord.files import read_json, write_json
from trichord.reports.mmlora.plain import from_dict, read_table, to_dict, write_table
from trichord.reports.mmlora.record import MMLoRAReport


@pytest.mark.parametrize(
    "made",
    [
        make_mmlora_report(),
        make_mmlora_report(classes=GENRES, several=True),
        make_mmlora_report(("video",), WORDS),
        make_mmlora_report(methods=(), ranks=(), rank_effects=(), under_training=(), best="", sources=None),
    ],
    ids=["typical", "several", "one modality", "bare"],
)
def test_a_report_survives_json(made: MMLoRAReport, tmp_path: Path) -> None:
    write_table(tmp_path / "table.json", made)
    assert read_table(tmp_path / "table.json") == made
    assert json.loads(json.dumps(to_dict(made))) == to_dict(made), "tuples would come back as lists"


def test_the_table_is_plain_and_named() -> None:
    found = to_dict(make_mmlora_report())
    row = next(row for row in found["methods"] if row["name"] == "MMLoRA on video")
    assert row["metrics"]["accuracy"] == {"value": 54.4, "low": pytest.approx(50.6), "high": pytest.approx(58.2)}
    assert row["against"]["ensemble"]["holm"] == 0.48
    assert row["cost"]["device_bytes"] is None
    assert found["answers"][0].startswith("On val")
    whole = to_dict(from_dict({**found, "seconds": 3}))
    assert isinstance(whole["seconds"], float)


def changed(path: str, value: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(to_dict(make_mmlora_report())))
    *parents, last = path.split("/")
    place: Any = data
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("title", KeyError, "the table lacks 'title'"),
        ("spread", 1, "the table has an unknown 'spread'"),
        ("methods/0/cost/epochs", KeyError, r"'methods\[0\].cost' lacks 'epochs'"),
        ("methods/0/cost/epochs", 1.5, r"'methods\[0\].cost.epochs' of the table must be a whole number, not 1.5"),
        ("methods/0/cost/epochs", True, "must be a whole number, not True"),
        ("methods/0/family", "oracle", "must be one of 'probe', 'expert', 'ensemble', 'head', .*, not 'oracle'"),
        ("methods/0/at_edge", KeyError, r"'methods\[0\]' lacks 'at_edge'"),
        ("methods/0/at_edge", "both", "must be one of '', 'largest', 'smallest', not 'both'"),
        ("methods/0/at_edge", None, "must be one of '', 'largest', 'smallest', not None"),
        ("rank_effects", KeyError, "the table lacks 'rank_effects'"),
        ("rank_effects/0/smallest", "1", r"'rank_effects\[0\].smallest' of the table must be a whole number, not '1'"),
        ("rank_effects/0/paired/holm", KeyError, r"'rank_effects\[0\].paired' lacks 'holm'"),
        ("sources", KeyError, "the table lacks 'sources'"),
        ("sources", 4.0, "'sources' of the table must be a whole number, not 4.0"),
        ("methods/0/metrics/accuracy", 3.0, r"'methods\[0\].metrics.accuracy' of the table must be an object"),
        ("methods/0/metrics", [], "must be an object, not"),
        ("methods/0/cost/device_bytes", "much", "must be a whole number, not 'much'"),
        ("seeds", 5, "'seeds' of the table must be a list, not 5"),
        ("seconds", float("nan"), "'seconds' of the table must be a finite number, not nan"),
        ("seconds", True, "must be a finite number, not True"),
        ("several", 1, "must be true or false, not 1"),
        ("notes", [1], r"'notes\[0\]' of the table must be a text, not 1"),
        ("title", ["x" * 90], r"must be a text, not \['xxx.*\.\.\."),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(path: str, value: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_dict(changed(path, value))


def test_an_error_names_the_file(tmp_path: Path) -> None:
    write_json(tmp_path / "table.json", [1])
    with pytest.raises(DataError, match=r"table\.json: the table must be an object, not \[1\]\. Write it again by"):
        read_table(tmp_path / "table.json")
    assert read_json(tmp_path / "table.json") == [1]
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "other.json")


def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_table(tmp_path / "table.json", make_mmlora_report(seconds=float("inf"), answers=()))
    assert not list(tmp_path.iterdir())

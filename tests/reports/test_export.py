from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from trichord.reports import Table, render_csv, render_json, render_markdown, write_table


def test_json_has_exactly_the_promised_keys(table: Table) -> None:
    data = json.loads(render_json(table))
    assert {"rows", "paired", "baselines", "protocol"} <= set(data)
    row_keys = {"order", "task", "metric", "mean", "ci95", "per_seed", "chance", "best", "best_order"}
    assert all(set(row) == row_keys for row in (*data["rows"], *data["baselines"]))
    pair_keys = {"a", "b", "task", "metric", "difference", "ci95", "p", "p_holm"}
    assert all(set(pair) == pair_keys for pair in data["paired"])
    assert {row["order"] for row in data["rows"]} == {"AV_T", "VT_A", "AVT"}
    assert {row["order"] for row in data["baselines"]} == {"linear CCA"}
    assert data["baseline_settings"]["linear CCA"]["ridge"] == 0.1
    assert set(data["protocol"]) == set(table.tasks)
    assert all(protocol["fingerprint"] for protocol in data["protocol"].values())


def test_json_holds_the_numbers(table: Table) -> None:
    data = json.loads(render_json(table))
    found = {(row["order"], row["task"], row["metric"]): row for row in (*data["rows"], *data["baselines"])}
    assert len(found) == len(table.rows)
    for row in table.rows:
        written = found[row.label, row.task, row.metric]
        assert written["mean"] == row.mean
        assert written["ci95"] == [row.low, row.high]
        assert (written["best"], written["best_order"]) == (row.best, row.best_order)
        assert written["per_seed"] == {str(seed): value for seed, value in row.per_seed.items()}
    assert any(row["mean"] > 1.5 for row in data["rows"] if row["metric"] == "R@10"), "recalls are in percent"


def test_json_refuses_what_is_not_finite(table: Table, tmp_path: Path) -> None:
    broken = replace(table, rows=(replace(table.rows[0], mean=float("nan")), *table.rows[1:]))
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_json(broken)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_table(tmp_path, broken)
    assert "NaN" not in render_json(table)


def test_csv_parses_back_to_the_same_numbers(table: Table) -> None:
    lines = list(csv.DictReader(io.StringIO(render_csv(table))))
    assert len(lines) == sum(len(row.per_seed) for row in table.rows)
    for line in lines:
        row = table.row(line["label"], line["task"], line["metric"])
        assert row is not None
        assert (float(line["mean"]), float(line["low"]), float(line["high"])) == (row.mean, row.low, row.high)
        assert float(line["seed_value"]) == row.per_seed[int(line["seed"])]
        assert (line["best"], line["best_order"]) == (str(row.best), str(row.best_order))


def markdown_cells(text: str, task: str) -> dict[str, list[str]]:
    section = text.split(f"### {task}\n")[1].split("###")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_markdown_parses_back_to_the_same_numbers(table: Table) -> None:
    text = render_markdown(table)
    cells = markdown_cells(text, "T>VA")
    assert cells[""] == list(table.metrics)
    assert set(cells) == {"", "AV\\_T", "VT\\_A", "AVT", "*linear CCA*", "chance"}
    for label, written in cells.items():
        row_label = label.replace("\\", "").strip("*")
        for metric, cell in zip(table.metrics, written, strict=True):
            row = table.row(row_label, "T>VA", metric)
            if row is None:
                continue
            mean, low, high = (float(number) for number in re.findall(r"\d+\.\d+", cell))
            digits = 3 if metric == "MRR" else 1
            assert mean == pytest.approx(row.mean, abs=0.51 * 10**-digits)
            assert low == pytest.approx(row.low, abs=0.51 * 10**-digits)
            assert high == pytest.approx(row.high, abs=0.51 * 10**-digits)
            stars = len(re.match(r"\**", cell)[0])  # type: ignore[index]
            assert stars == (2 if row.best_order else 3 if row.reaches_best else 0)
            assert ("†" in cell) == row.level_with_best


def test_markdown_keeps_every_remark_in_full(table: Table) -> None:
    text = render_markdown(table)
    for note in table.notes:
        assert str(note).replace("_", "\\_") in text
        assert note.meaning in text.replace("\\", "")
    assert "60 queries against 60 items of split test, chance R@10 16.7, missing counted as misses: 0" in text
    assert "validation still rising: too few epochs" in text
    assert "Bold: best order of the column. Bold italic: a baseline that does at least as well." in text


def test_markdown_cannot_be_broken_by_a_label(table: Table) -> None:
    hostile = "a|b\n<script>alert(1)</script> *x*"
    renamed = replace(
        table,
        labels=(hostile, *table.labels[1:]),
        kinds={hostile: "trained", **{label: table.kinds[label] for label in table.labels[1:]}},
        rows=tuple(replace(row, label=hostile) if row.label == table.labels[0] else row for row in table.rows),
        paired=(),
        verdicts={},
        changes={},
    )
    text = render_markdown(renamed)
    assert "<script" not in text
    line = next(line for line in text.splitlines() if line.startswith("| a\\|b"))
    assert len(re.findall(r"(?<!\\)\|", line)) == len(table.metrics) + 2


def test_write_table_writes_three_files(table: Table, tmp_path: Path) -> None:
    write_table(tmp_path / "new", table)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["table.csv", "table.json", "table.md"]
    assert json.loads((tmp_path / "new" / "table.json").read_text()) == json.loads(render_json(table))

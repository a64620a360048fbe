from __future__ import annotations

import pytest
import torch
from graph_outputs import compare, holding, randn

from trichord.graphs.output import Table
from trichord.graphs.truth import right_rows


def reference(table: Table, rows: list[int], columns: list[bool], top: int) -> list[bool]:
    """The rule, one row at a time."""
    found = []
    for i in rows:
        truth = int(table.truth[i])
        if truth < 0 or not columns[truth] or not table.rows[i]:
            found.append(False)
            continue
        score = float(table.values[i, truth])
        others = [float(table.values[i, j]) for j, takes in enumerate(columns) if takes and j != truth]
        found.append(1 + sum(other >= score for other in others) <= top)
    return found


@pytest.mark.parametrize("top", [1, 2, 5])
@pytest.mark.parametrize(
    "missing", [((), ()), ((1, 4), ()), ((), (0, 2)), ((3,), (3, 7)), (range(9), ()), ((), range(9))]
)
def test_equals_the_rule_row_by_row(missing: tuple[tuple[int, ...], tuple[int, ...]], top: int) -> None:
    left = randn(9, 4)
    table = compare(left, left + 0.8 * randn(9, 4, seed=1), *missing).table
    table.values[5, 6] = table.values[5, 5]  # a tie
    for rows in (list(range(9)), [0, 3, 5, 8], []):
        for columns in (table.columns, table.columns & holding(9, (5, 8))):
            found = right_rows(table, torch.tensor(rows, dtype=torch.long), columns, top)
            assert found.tolist() == reference(table, rows, columns.tolist(), top)


def test_a_constant_table_is_right_nowhere() -> None:
    table = Table(torch.full((4, 4), 0.3), holding(4), holding(4), torch.arange(4))
    assert not right_rows(table, torch.arange(4), holding(4), top=3).any()
    assert right_rows(table, torch.arange(4), holding(4), top=4).all()


def test_one_column_that_is_the_truth_is_right_and_no_other_row_is() -> None:
    table = Table(torch.zeros(3, 3), holding(3), holding(3), torch.arange(3))
    assert right_rows(table, torch.arange(3), torch.tensor([False, True, False])).tolist() == [False, True, False]


def test_an_unknown_truth_is_not_right() -> None:
    table = Table(torch.eye(3), holding(3), holding(3), torch.tensor([0, -1, 2]))
    assert right_rows(table, torch.arange(3), holding(3)).tolist() == [True, False, True]


def test_scores_that_are_not_numbers_are_not_right() -> None:
    values = torch.eye(3)
    values[0, 0] = float("nan")
    values[1, 2] = float("nan")
    table = Table(values, holding(3), holding(3), torch.arange(3))
    assert right_rows(table, torch.arange(3), holding(3)).tolist() == [False, False, True]


def test_classes_may_be_more_or_fewer_than_items() -> None:
    values = torch.tensor([[0.1, 2.0, 0.3], [5.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    table = Table(values, holding(4), torch.ones(3, dtype=torch.bool), torch.tensor([1, 1, 0, 2]))
    assert right_rows(table, torch.arange(4), table.columns).tolist() == [True, False, False, True]


def test_no_columns_and_no_rows() -> None:
    empty = Table(torch.zeros(3, 0), holding(3), holding(0), torch.full((3,), -1))
    assert right_rows(empty, torch.arange(3), holding(0)).tolist() == [False] * 3
    nothing = Table(torch.zeros(0, 4), holding(0), holding(4), torch.zeros(0, dtype=torch.long))
    assert right_rows(nothing, torch.zeros(0, dtype=torch.long), holding(4)).tolist() == []

from __future__ import annotations

import torch

from trichord.objectives.selection import chosen_rows


def test_some_rows_are_chosen_and_gradients_go_to_them_only() -> None:
    values = torch.arange(6.0).reshape(3, 2).requires_grad_()
    found = chosen_rows(values, torch.tensor([True, False, True]))
    assert found.tolist() == [[0.0, 1.0], [4.0, 5.0]]
    found.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]


def test_all_rows_are_the_values_themselves_and_no_row_is_an_empty_table() -> None:
    values = torch.rand(3, 2)
    assert chosen_rows(values, torch.ones(3, dtype=torch.bool)) is values
    assert chosen_rows(values, torch.zeros(3, dtype=torch.bool)).shape == (0, 2)
    assert chosen_rows(values[:0], torch.zeros(0, dtype=torch.bool)).shape == (0, 2)

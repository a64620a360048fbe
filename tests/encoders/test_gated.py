from __future__ import annotations

import math

import torch

from trichord.encoders import GatedUnit, gate


def test_unit_equals_the_formula_written_out() -> None:
    torch.manual_seed(0)
    unit, values = GatedUnit(3, 2), torch.randn(4, 3)
    w1, b1 = unit.projection.weight.tolist(), unit.projection.bias.tolist()
    w2, b2 = unit.context.weight.tolist(), unit.context.bias.tolist()
    for row, found in zip(values.tolist(), unit(values).tolist(), strict=True):
        u = [sum(w * x for w, x in zip(w1[j], row, strict=True)) + b1[j] for j in range(2)]
        for j in range(2):
            logit = sum(w * x for w, x in zip(w2[j], u, strict=True)) + b2[j]
            assert math.isclose(found[j], u[j] / (1 + math.exp(-logit)), rel_tol=1e-5, abs_tol=1e-7)


def test_gate_half_open_fully_open_and_shut() -> None:
    values = torch.tensor([[4.0, 4.0, 4.0]])
    found = gate(values, torch.tensor([[0.0, 200.0, -200.0]]))
    assert found.tolist() == [[2.0, 4.0, 0.0]]

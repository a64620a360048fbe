from __future__ import annotations

import numpy as np
import pytest
import torch

from trichord.errors import ConfigError
from trichord.graphs.gates import (
    GateConfig,
    apply_gate,
    correct,
    cutoff,
    label_factor,
    linear,
    negative_linear,
    through,
)

LOSSES = (0.5, 2.0, 0.0, 3.5, 1.0)
RIGHT = (True, False, True, True, False)


def losses() -> torch.Tensor:
    return torch.tensor(LOSSES, dtype=torch.float64)


def reference(gate: GateConfig, progress: float) -> float:
    """The table of gates, one sample at a time."""
    total = 0.0
    for loss, right in zip(LOSSES, RIGHT, strict=True):
        passed = {
            "through": loss,
            "cutoff": 0.0,
            "linear": progress * loss,
            "negative linear": (1 - progress) * loss,
            "correct": loss if right else 0.0,
        }[gate.kind]
        total += passed / len(LOSSES)
    return total


@pytest.mark.parametrize("kind", ["through", "cutoff", "linear", "negative linear", "correct"])
@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_every_gate_is_what_the_table_says(kind: str, progress: float) -> None:
    gate = GateConfig(kind=kind)
    found = apply_gate(gate, losses(), progress, torch.tensor(RIGHT))
    np.testing.assert_allclose(float(found), reference(gate, progress), rtol=1e-12)


def test_correct_divides_by_all_rows_not_by_those_kept() -> None:
    assert float(correct(losses(), torch.tensor(RIGHT))) == pytest.approx((0.5 + 0.0 + 3.5) / 5)
    everywhere = torch.ones(5, dtype=torch.bool)
    assert torch.equal(correct(losses(), everywhere), through(losses()))
    assert float(correct(losses(), ~everywhere)) == 0.0


def test_what_a_wrong_source_says_may_be_anything() -> None:
    values = torch.tensor([1.0, float("inf"), float("nan")], requires_grad=True)
    found = correct(values, torch.tensor([True, False, False]))
    found.backward()
    assert found.item() == pytest.approx(1 / 3)
    assert values.grad.tolist() == pytest.approx([1 / 3, 0.0, 0.0])


@pytest.mark.parametrize("kind", ["through", "linear", "negative linear", "correct"])
def test_no_rows_give_a_zero_that_can_be_differentiated(kind: str) -> None:
    values = torch.zeros(3, requires_grad=True)
    found = apply_gate(GateConfig(kind=kind), values[:0], 0.5, torch.ones(0, dtype=torch.bool))
    assert found.item() == 0.0
    found.backward()
    assert values.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["through", "linear", "negative linear", "correct"])
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    gate, right = GateConfig(kind=kind), torch.tensor(RIGHT)
    assert torch.autograd.gradcheck(lambda values: apply_gate(gate, values, 0.4, right), losses().requires_grad_())


def test_cutoff_has_no_way_back() -> None:
    found = cutoff(losses().requires_grad_())
    assert float(found) == 0.0
    assert not found.requires_grad


def test_the_linear_gates_are_complements_and_meet_through_at_their_ends() -> None:
    for progress in (0.0, 0.25, 1.0):
        both = linear(losses(), progress) + negative_linear(losses(), progress)
        torch.testing.assert_close(both, through(losses()))
    assert torch.equal(linear(losses(), 1.0), through(losses()))
    assert torch.equal(negative_linear(losses(), 0.0), through(losses()))
    assert float(linear(losses(), 0.0)) == float(negative_linear(losses(), 1.0)) == 0.0


def test_factor_of_a_label_edge() -> None:
    factors = {
        kind: label_factor(GateConfig(kind=kind), 0.25)
        for kind in ("through", "cutoff", "linear", "negative linear", "correct")
    }
    assert factors == {"through": 1.0, "cutoff": 0.0, "linear": 0.25, "negative linear": 0.75, "correct": 1.0}


@pytest.mark.parametrize("progress", [-0.01, 1.01, float("nan")])
@pytest.mark.parametrize("kind", ["linear", "negative linear"])
def test_progress_out_of_range_is_refused(kind: str, progress: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        apply_gate(GateConfig(kind=kind), losses(), progress)
    with pytest.raises(ValueError, match="from 0 to 1"):
        label_factor(GateConfig(kind=kind), progress)


def test_correct_has_to_be_told_who_is_right() -> None:
    with pytest.raises(ValueError, match="where the source is right"):
        apply_gate(GateConfig(kind="correct"), losses(), 0.5)


def test_places_belong_to_correct_and_count_from_one() -> None:
    assert GateConfig(kind="correct", top=5).top == 5
    for wrong in ({"kind": "correct", "top": 0}, {"kind": "through", "top": 2}):
        with pytest.raises(ConfigError, match="top counts places"):
            GateConfig(**wrong)

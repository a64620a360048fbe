"""What every pair objective must do; a new one joins by a line in CASES."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from trichord.config import from_dict
from trichord.objectives import (
    InfoNCEConfig,
    MaskedMarginSoftmaxConfig,
    PairObjective,
    PairObjectiveConfig,
    SigmoidContrastConfig,
)

# Configuration, and the loss of N rows that are all the unit vector e_1.
CASES: dict[str, tuple[PairObjectiveConfig, Callable[[int], float]]] = {
    "mms": (MaskedMarginSoftmaxConfig(margin=0.1), lambda n: 2 * math.log(1 + (n - 1) * math.exp(0.1))),
    "infonce": (InfoNCEConfig(), math.log),
    "infonce smoothed": (InfoNCEConfig(label_smoothing=0.2), math.log),
    # The scale 10 and the bias -10 cancel: every pair is undecided.
    "sigmoid": (SigmoidContrastConfig(), lambda n: n * math.log(2)),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def objective(case: str) -> PairObjective:
    built = CASES[case][0].build()
    assert isinstance(built, PairObjective)
    return built


def tables(batch: int, dim: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.randn(2, batch, dim, generator=torch.Generator().manual_seed(seed))
    left, right = functional.normalize(both, dim=2)
    return left.requires_grad_(), right.requires_grad_()


def test_every_pair_objective_is_here() -> None:
    ours = {found for found in PairObjectiveConfig.__subclasses__() if found.__module__.startswith("trichord.")}
    assert {type(config) for config, _ in CASES.values()} == ours


def test_exchange_of_sides_changes_nothing(objective: PairObjective) -> None:
    left, right = tables(7)
    torch.testing.assert_close(objective(left, right), objective(right, left))


def test_order_of_rows_changes_nothing(objective: PairObjective) -> None:
    left, right = tables(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(objective(left[order], right[order]), objective(left, right))


def test_alignment_is_rewarded(objective: PairObjective) -> None:
    left, right = tables(32)
    aligned, unrelated, swapped = objective(left, left), objective(left, right), objective(left, left.roll(1, 0))
    assert aligned < unrelated < swapped


def test_equal_vectors_give_the_closed_form(case: str, objective: PairObjective) -> None:
    same = functional.one_hot(torch.zeros(9, dtype=torch.long), 6).float()
    assert objective(same, same).item() == pytest.approx(CASES[case][1](9), rel=1e-5)


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_any_number_of_rows_is_finite_with_a_gradient_for_everything(objective: PairObjective, batch: int) -> None:
    left, right = tables(batch)
    loss = objective(left, right)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert batch > 0 or loss.item() == 0
    for tensor in (left, right, *objective.parameters()):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()


def test_one_row_has_no_negatives(case: str, objective: PairObjective) -> None:
    left, right = tables(1)
    expected = 0.0
    if case == "sigmoid":
        expected = math.log1p(math.exp(-(10 * (left * right).sum().item() - 10)))
    assert objective(left, right).item() == pytest.approx(expected, abs=1e-5)


def test_the_gradient_is_that_of_finite_differences(objective: PairObjective) -> None:
    left, right = (table.detach().double().requires_grad_() for table in tables(4, dim=3))
    assert torch.autograd.gradcheck(objective.double(), (left, right))


def test_large_vectors_do_not_overflow(objective: PairObjective) -> None:
    left, right = (1e4 * table.detach() for table in tables(5))
    assert torch.isfinite(objective(left.requires_grad_(), right))


def test_autocast_leaves_the_loss_in_fp32(objective: PairObjective) -> None:
    left, right = tables(16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(left, right)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, objective(left, right), rtol=0.05, atol=0.05)


def test_configuration_survives_a_round_trip(case: str) -> None:
    config = CASES[case][0]
    assert from_dict(config.to_dict()) == config

from __future__ import annotations

import pytest
import torch

from trichord.objectives import LossTerms


def test_total_is_the_sum_and_carries_gradient() -> None:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(-0.5, requires_grad=True)
    total = LossTerms({"a": a, "b": 3 * b}).total
    gradients = torch.autograd.grad(total, (a, b))
    assert [total.item(), *(gradient.item() for gradient in gradients)] == [0.5, 1.0, 3.0]


def test_no_terms_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one term"):
        LossTerms({})

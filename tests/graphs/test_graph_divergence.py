from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from graph_outputs import plain_divergence, plain_likeness, randn

from trichord.graphs.divergence import unlikeness, unlikeness_both_ways


@pytest.mark.parametrize("temperature", [0.03, 0.1, 1.0, 4.0])
@pytest.mark.parametrize("along", [0, 1])
@pytest.mark.parametrize("push", [False, True])
def test_equals_the_plain_sums(push: bool, along: int, temperature: float) -> None:
    theirs, ours = randn(6, 4, seed=1), randn(6, 4, seed=2)
    plain = plain_likeness if push else plain_divergence
    lines = (
        zip(theirs.numpy(), ours.numpy(), strict=True)
        if along == 1
        else zip(theirs.T.numpy(), ours.T.numpy(), strict=True)
    )
    expected = [plain(a, b, temperature) for a, b in lines]
    found = unlikeness(theirs, ours, temperature, push=push, along=along)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-12)


def test_closed_form_of_two_entries() -> None:
    """p = (3/4, 1/4), q = (1/2, 1/2): KL = 3/4 log 3/2 + 1/4 log 1/2; cosine = 2 / sqrt(5)."""
    theirs, ours = torch.tensor([[2 * math.log(3.0), 0.0]]), torch.tensor([[7.0, 7.0]])
    pull = unlikeness(theirs, ours, 2.0, push=False)
    push = unlikeness(theirs, ours, 2.0, push=True)
    assert float(pull) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-6)
    assert float(push) == pytest.approx(2 / math.sqrt(5), rel=1e-6)


def test_the_published_form_differs_only_by_its_guard() -> None:
    theirs, ours = randn(6, 4, seed=1), randn(6, 4, seed=2)
    p, q = theirs.softmax(1), ours.softmax(1)
    published = (p * (p / (q + 1e-10) + 1e-10).log()).sum(1)
    torch.testing.assert_close(unlikeness(theirs, ours, 1.0, push=False), published, rtol=1e-7, atol=1e-8)


def test_a_target_that_is_sure_and_wrong_has_a_finite_loss_and_gradient() -> None:
    ours = torch.tensor([[0.0, 400.0]], requires_grad=True)
    loss = unlikeness(torch.tensor([[400.0, 0.0]]), ours, 1.0, push=False)
    loss.sum().backward()
    assert loss.item() == pytest.approx(400.0)
    torch.testing.assert_close(ours.grad, torch.tensor([[-1.0, 1.0]]))


@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize("along", [0, 1])
def test_gradients_are_those_of_finite_differences(push: bool, along: int) -> None:
    theirs, ours = randn(4, 5, seed=1), randn(4, 5, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: unlikeness(theirs, x, 0.7, push=push, along=along), ours)


def test_of_equals_nothing_is_left_to_learn() -> None:
    ours = randn(5, 6).requires_grad_()
    for push, expected in ((False, 0.0), (True, 1.0)):
        loss = unlikeness(ours.detach(), ours, 0.1, push=push)
        (gradient,) = torch.autograd.grad(loss.sum(), ours)
        torch.testing.assert_close(loss, torch.full_like(loss, expected))
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1), (4, 1)])
@pytest.mark.parametrize("push", [False, True])
def test_nothing_to_choose_from(shape: tuple[int, int], push: bool) -> None:
    ours = torch.randn(shape, requires_grad=True)
    loss = unlikeness(torch.randn(shape), ours, 0.1, push=push)
    assert loss.shape == (shape[0],)
    assert torch.isfinite(loss).all()
    if not push or shape[1] == 0:
        assert not loss.any()
    loss.sum().backward()
    assert not ours.grad.any()


@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize("temperature", [0.01, 0.03, 0.1, 2.0])
@pytest.mark.parametrize("shape", [(6, 4), (1, 5), (5, 1), (0, 3), (3, 0)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_both_ways_at_once_are_the_two_ways(
    dtype: torch.dtype, shape: tuple[int, int], temperature: float, push: bool
) -> None:
    """Cosines as far apart as they can be included: at 0.01 the range is too wide for one exponential."""
    theirs, ours = (randn(*shape, seed=seed).tanh().to(dtype) for seed in (1, 2))
    if shape == (6, 4):
        theirs[0], ours[0], theirs[5], ours[:, 2] = 1.0, -1.0, -1.0, 1.0
    ours.requires_grad_()
    both = unlikeness_both_ways(theirs, ours, temperature, push=push)
    separate = [unlikeness(theirs, ours, temperature, push=push, along=along) for along in (1, 0)]
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 3e-5}
    weights = [randn(len(each), seed=3).to(dtype) for each in separate]
    for found, expected in zip((both.rows, both.columns), separate, strict=True):
        torch.testing.assert_close(found, expected, **tolerance)
    gradients = [
        torch.autograd.grad((losses[0] * weights[0]).sum() + (losses[1] * weights[1]).sum(), ours)[0]
        for losses in ((both.rows, both.columns), separate)
    ]
    torch.testing.assert_close(*gradients, **{**tolerance, "atol": tolerance["atol"] / temperature})


def test_both_ways_of_equals_are_exactly_nothing() -> None:
    ours = randn(5, 6).tanh().requires_grad_()
    both = unlikeness_both_ways(ours.detach(), ours, 0.1, push=False)
    (gradient,) = torch.autograd.grad(both.rows.sum() + both.columns.sum(), ours)
    assert not both.rows.any()
    assert not both.columns.any()
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_gradients_of_both_ways_are_those_of_finite_differences() -> None:
    theirs, ours = randn(4, 5, seed=1), randn(4, 5, seed=2).requires_grad_()

    def losses(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both = unlikeness_both_ways(theirs, x, 0.7, push=False)
        return both.rows, both.columns

    assert torch.autograd.gradcheck(losses, ours)

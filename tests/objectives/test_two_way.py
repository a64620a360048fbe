"""One exponential for both directions, against log-sum-exp written out, in value and gradient."""

from __future__ import annotations

import pytest
import torch

from trichord.objectives import two_way as module
from trichord.objectives.contrast import both_directions
from trichord.objectives.two_way import WIDEST, two_way


def draw(n: int, scale: float = 1.0, dtype: torch.dtype = torch.double) -> torch.Tensor:
    return scale * torch.randn(n, n, dtype=dtype, generator=torch.Generator().manual_seed(n))


def textbook(logits: torch.Tensor, margin: float) -> tuple[torch.Tensor, ...]:
    wide = logits - margin * torch.eye(len(logits), dtype=logits.dtype)
    return wide.exp().sum(1).log(), wide.exp().sum(0).log(), wide.diagonal()


def weighted(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """A sum in which every entry of every part counts differently, so that a gradient in the wrong place shows."""
    total = torch.zeros((), dtype=parts[0].dtype)
    for number, part in enumerate(parts, 1):
        total = total + (part * torch.linspace(number, number + 1, len(part), dtype=part.dtype)).sum()
    return total


@pytest.fixture(params=[2**18, 7], ids=["one tile", "a row or less to a tile"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE_ENTRIES", request.param)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("margin", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_equals_the_textbook_in_value_and_gradient(n: int, margin: float) -> None:
    ours, theirs = draw(n).requires_grad_(), draw(n).requires_grad_()
    found, expected = two_way(ours, margin), textbook(theirs, margin)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
    weighted(found).backward()
    weighted(expected).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.usefixtures("tiles")
def test_the_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda logits: two_way(logits, 0.1), draw(6).requires_grad_())


@pytest.mark.parametrize("width", [0.99 * WIDEST, 1.01 * WIDEST, 500.0])
def test_narrow_and_wide_tables_agree_with_log_sum_exp(width: float) -> None:
    logits = draw(8, dtype=torch.float32)
    logits[3] -= width
    logits[:, 5] -= width
    ours, theirs = logits.clone().requires_grad_(), logits.clone().double().requires_grad_()
    found, expected = two_way(ours), (theirs.logsumexp(1), theirs.logsumexp(0), theirs.diagonal())
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, atol=2e-4, rtol=1e-5)
    weighted(found).backward()
    weighted(expected).backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-4, rtol=1e-3)


def test_a_constant_does_not_matter_and_a_transposition_swaps() -> None:
    logits = draw(7)
    rows, columns, _ = two_way(logits)
    shifted = two_way(logits + 1000.0)
    torch.testing.assert_close(shifted.rows - 1000.0, rows)
    turned = two_way(logits.T)
    torch.testing.assert_close(turned.rows, columns)
    torch.testing.assert_close(turned.columns, rows)


def test_what_is_not_finite_is_not_hidden() -> None:
    for value in (torch.nan, torch.inf):
        logits = draw(4)
        logits[1, 2] = value
        assert not torch.isfinite(both_directions(logits))


def test_half_precision_is_widened_and_its_gradient_narrowed() -> None:
    logits = draw(9, dtype=torch.float32).bfloat16().requires_grad_()
    wide = logits.detach().float().requires_grad_()
    found, expected = both_directions(logits, 0.1, 0.01), both_directions(wide, 0.1, 0.01)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    assert logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(logits.grad.float(), wide.grad, atol=1e-3, rtol=1e-2)


def test_a_graph_that_is_kept_may_be_walked_twice() -> None:
    logits = draw(5).requires_grad_()
    loss = both_directions(logits)
    (once,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (twice,) = torch.autograd.grad(loss, logits)
    assert torch.equal(once, twice)

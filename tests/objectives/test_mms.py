from __future__ import annotations

import math

import pytest
import torch

from trichord.errors import ConfigError
from trichord.objectives import MaskedMarginSoftmaxConfig
from trichord.objectives.mms import masked_margin_softmax


def published(left: torch.Tensor, right: torch.Tensor, margin: float) -> float:
    """The two softmaxes written out in double precision, one row and one column at a time."""
    n = len(left)
    score = [[float(left[i].double() @ right[j].double()) - margin * (i == j) for j in range(n)] for i in range(n)]
    total = 0.0
    for i in range(n):
        total -= math.log(math.exp(score[i][i]) / sum(math.exp(score[i][j]) for j in range(n))) / n
        total -= math.log(math.exp(score[i][i]) / sum(math.exp(score[j][i]) for j in range(n))) / n
    return total


@pytest.mark.parametrize("margin", [0.0, 0.001, 0.5])
def test_equals_the_published_sum_of_two_directions(margin: float) -> None:
    left, right = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(3))
    assert masked_margin_softmax(left, right, margin).item() == pytest.approx(published(left, right, margin), rel=1e-5)


def test_the_default_margin_is_the_published_one_and_counts() -> None:
    left, right = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(3))
    loss = MaskedMarginSoftmaxConfig().build()(left, right)
    torch.testing.assert_close(loss, masked_margin_softmax(left, right, 0.001))
    assert loss > masked_margin_softmax(left, right, 0.0)


def test_vectors_are_not_normalised() -> None:
    vectors = torch.eye(4)
    assert masked_margin_softmax(10 * vectors, vectors) < masked_margin_softmax(vectors, vectors) / 100


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_margin_that_makes_no_sense_is_refused(margin: float) -> None:
    with pytest.raises(ConfigError, match="margin"):
        MaskedMarginSoftmaxConfig(margin=margin)

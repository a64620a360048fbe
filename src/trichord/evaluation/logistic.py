"""Logistic regression with an L2 penalty, solved to convergence in float64.

Legend: x (items, width) standardised by the fitting rows, W (width, classes), b (classes,). Minimised is
mean over items of loss(x W + b, truth) + penalty / 2 * ||W||^2, where the loss is the cross entropy of one class per
item (multinomial), or the sum over classes of the binary one. In the usual terms C = 1 / (items * penalty); b is free.

The penalty does not change under rotation, so the problem is solved along the principal axes of x, each variable
divided by the root of (curvature * variance + penalty): what remains is nearly round, and L-BFGS (Liu & Nocedal 1989)
needs a few dozen steps, some hundred where the classes can be separated and the penalty hardly holds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from trichord.errors import DataError, TrainingError
from trichord.evaluation.class_scores import Truth
from trichord.shapes import Float, Tensor

CHUNK_ROWS = 4096
SMALLEST_SHARE = 1e-10
TOLERANCE = 3e-7
MOST_STEPS = 2000


@dataclass(frozen=True)
class PrincipalAxes:
    """Standardised rows along the axes of their covariance.

    Args:
        mean, scale: (width,) of the rows; columns that do not vary have the scale 1.
        directions: (width, axes), orthonormal; axes without variance are left out.
        variances: (axes,) ascending.
        rows: (items, axes) the standardised rows along the directions.
    """

    mean: Float[np.ndarray, " width"]
    scale: Float[np.ndarray, " width"]
    directions: Float[np.ndarray, "width axes"]
    variances: Float[np.ndarray, " axes"]
    rows: Float[np.ndarray, "items axes"]


class LogisticProblem:
    """The loss along principal axes, and where the last solution lies.

    Args:
        axes: the vectors.
        truth: (items,) class numbers, or with several (items, classes) which classes each item has.
        num_classes: number of classes.
        several: whether items may have several classes.
    """

    def __init__(self, axes: PrincipalAxes, truth: Truth, num_classes: int, several: bool) -> None:
        self._rows = torch.from_numpy(axes.rows)
        self._variances = torch.from_numpy(axes.variances)
        self._several = several
        self._target = torch.from_numpy(truth.astype(np.float64 if several else np.int64))
        # Curvature of the loss in a logit where all classes are as likely.
        self._curvature = 0.25 if several else (1.0 - 1.0 / num_classes) / num_classes
        self._found = torch.zeros(len(axes.variances) + 1, num_classes, dtype=torch.float64)

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Return (axes, classes) weights and (classes,) bias; starts from the last solution.

        Raises:
            TrainingError: the slope did not vanish.
        """
        shrink = torch.cat([penalty + self._curvature * self._variances, self._variances.new_tensor([self._curvature])])
        shrink = shrink.rsqrt().unsqueeze(1)
        point = (self._found / shrink).requires_grad_()

        def closure() -> Tensor:
            free = point.detach() * shrink
            loss, slopes = self._loss(free[:-1], free[-1], penalty)
            point.grad = slopes * shrink
            return loss

        solver = torch.optim.LBFGS(
            [point],
            max_iter=MOST_STEPS,
            max_eval=2 * MOST_STEPS,
            tolerance_grad=TOLERANCE,
            tolerance_change=1e-15,
            history_size=20,
            line_search_fn="strong_wolfe",
        )
        solver.step(closure)  # type: ignore[no-untyped-call]
        closure()
        left = float(point.grad.abs().max()) if point.grad is not None else float("inf")
        if not left <= 100 * TOLERANCE:
            raise TrainingError(
                f"the linear probe with penalty {penalty:g} did not converge in {MOST_STEPS} steps (largest slope "
                f"{left:.1e}); take stronger penalties"
            )
        self._found = point.detach() * shrink
        weights, bias = self._found[:-1].numpy(), self._found[-1].numpy()
        # Of single labels a constant in all logits is free; their sum is set to 0.
        return weights, bias if self._several else bias - bias.mean()

    def _loss(self, weights: Tensor, bias: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
        logits = torch.addmm(bias, self._rows, weights)
        count = len(logits)
        if self._several:
            loss = functional.binary_cross_entropy_with_logits(logits, self._target, reduction="sum") / count
            residual = torch.sigmoid(logits).sub_(self._target).div_(count)
        else:
            logs = torch.log_softmax(logits, dim=1)
            loss = functional.nll_loss(logs, self._target)
            residual = logs.exp_()
            residual[torch.arange(count), self._target] -= 1.0
            residual.div_(count)
        slopes = torch.cat([self._rows.T @ residual + penalty * weights, residual.sum(dim=0, keepdim=True)])
        return loss + 0.5 * penalty * weights.square().sum(), slopes


def standardise(
    vectors: Float[np.ndarray, "items width"], mean: Float[np.ndarray, " width"], scale: Float[np.ndarray, " width"]
) -> Float[np.ndarray, "items width"]:
    """Return float64 rows less a mean, divided by a scale."""
    rows: np.ndarray = (vectors.astype(np.float64) - mean) / scale
    return rows


def principal_axes(vectors: Float[np.ndarray, "items width"]) -> PrincipalAxes:
    """Standardise rows and turn them to the axes of their covariance; besides the result, memory is that of chunks.

    Raises:
        DataError: all rows are equal.
    """
    items, width = vectors.shape
    chunks = [slice(first, first + CHUNK_ROWS) for first in range(0, items, CHUNK_ROWS)]
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = sum(np.square(vectors[chunk].astype(np.float64) - mean).sum(axis=0) for chunk in chunks)
    scale = np.sqrt(spread / items)
    # A column whose spread is rounding of its size does not vary.
    varies = scale > np.abs(vectors).max(axis=0) * float(np.finfo(np.float32).eps)
    if not varies.any():
        raise DataError("the vectors to learn from are all equal", remedy="check the encoder, or leave it out")
    scale = np.where(varies, scale, 1.0)
    if width <= items:
        gram = np.zeros((width, width))
        for chunk in chunks:
            rows = standardise(vectors[chunk], mean, scale) * varies
            gram += rows.T @ rows
        variances, directions = np.linalg.eigh(gram / items)
        kept = variances > SMALLEST_SHARE * variances[-1]
        directions, variances = directions[:, kept] * varies[:, None], variances[kept]
    else:
        rows = standardise(vectors, mean, scale) * varies
        variances, across = np.linalg.eigh(rows @ rows.T / items)
        kept = variances > SMALLEST_SHARE * variances[-1]
        variances = variances[kept]
        directions = rows.T @ (across[:, kept] / np.sqrt(items * variances))
    turned = np.empty((items, len(variances)))
    for chunk in chunks:
        turned[chunk] = (standardise(vectors[chunk], mean, scale) * varies) @ directions
    return PrincipalAxes(mean, scale, directions, variances, turned)

"""Similarity tables and the softmax over their rows and columns, shared by every contrastive objective."""

from __future__ import annotations

import torch

from trichord.objectives.two_way import two_way
from trichord.shapes import Bool, Float, Tensor


def inner_products(left: Float[Tensor, "left dim"], right: Float[Tensor, "right dim"]) -> Float[Tensor, "left right"]:
    """Return every inner product of two tables, multiplied under the caller's autocast and widened to fp32 at least."""
    product = left @ right.T
    return product.to(torch.promote_types(product.dtype, torch.float32))


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context in which nothing is autocast, for differences of nearly equal numbers and for long sums."""
    return torch.autocast(tensor.device.type, enabled=False)


def blocked_pairs(blocked: Bool[Tensor, "batch batch"] | None) -> Bool[Tensor, "batch batch"] | None:
    """Return the pairs to leave out, never one of the diagonal; None where there are none."""
    if blocked is None:
        return None
    blocked = blocked & ~torch.eye(len(blocked), dtype=torch.bool, device=blocked.device)
    return blocked if bool(blocked.any()) else None


def both_directions(
    logits: Float[Tensor, "batch batch"],
    label_smoothing: float = 0.0,
    margin: float = 0.0,
    blocked: Bool[Tensor, "batch batch"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy against the diagonal, each row over its columns plus each column over its rows.

    With s = label_smoothing and l the logits less margin on the diagonal:
    CE_i = logsumexp_j l_ij - (1 - s) l_ii - s mean_j l_ij.

    Args:
        logits: (batch, batch), the true pairs on the diagonal; half precision is widened here.
        label_smoothing: share of the target that is spread evenly over all candidates, the true one included.
        margin: subtracted from the logits of the true pairs.
        blocked: entries that leave both softmaxes and the mean of the smoothing, and get no gradient; the diagonal is
            not looked at.

    Returns:
        Mean over rows plus mean over columns, in fp32 at least; 0, attached to the graph, for no rows.
    """
    if len(logits) == 0:
        return logits.sum()
    blocked = blocked_pairs(blocked)
    masked = logits if blocked is None else logits.masked_fill(blocked, -torch.inf)
    rows, columns, true = two_way(masked, margin)
    loss = (rows + columns - 2 * (1 - label_smoothing) * true).mean()
    if not label_smoothing:
        return loss
    if blocked is None:
        mean = logits.mean(dtype=loss.dtype) - margin / len(logits)
        return loss - 2 * label_smoothing * mean
    left = logits.masked_fill(blocked, 0.0)
    for along in (1, 0):
        means = (left.sum(along, dtype=loss.dtype) - margin) / (len(left) - blocked.sum(along))
        loss = loss - label_smoothing * means.mean()
    return loss

"""Rows that show the same seconds of one video are no negatives of each other: against loops over pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from trichord.batch import Embeddings, Segments
from trichord.errors import ConfigError
from trichord.objectives import (
    InfoNCEConfig,
    MaskedMarginSoftmaxConfig,
    PairObjectiveConfig,
    PairwiseConfig,
    SigmoidContrastConfig,
    WeightedPairConfig,
)
from trichord.objectives.contrast import both_directions
from trichord.objectives.infonce import info_nce
from trichord.objectives.mms import masked_margin_softmax
from trichord.objectives.overlaps import overlapping_rows
from trichord.objectives.sigmoid import sigmoid_contrast

CASES: dict[str, PairObjectiveConfig] = {
    "mms": MaskedMarginSoftmaxConfig(margin=0.1),
    "infonce": InfoNCEConfig(),
    "infonce smoothed": InfoNCEConfig(label_smoothing=0.2),
    "sigmoid": SigmoidContrastConfig(),
}
TV = WeightedPairConfig(left=("text",), right=("video",))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tables(batch: int, dim: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.randn(2, batch, dim, generator=torch.Generator().manual_seed(seed))
    left, right = functional.normalize(both, dim=2).double()
    return left.requires_grad_(), right.requires_grad_()


def draw_blocked(batch: int, share: float = 0.4, seed: int = 1) -> torch.Tensor:
    return torch.rand(batch, batch, generator=torch.Generator().manual_seed(seed)) < share


def make_segments(rows: list[tuple[int, float, float]]) -> Segments:
    source, start, end = zip(*rows, strict=True)
    return Segments(torch.tensor(source), torch.tensor(start), torch.tensor(end))


def cross_entropy(logits: list[float], true: int, smoothing: float) -> float:
    total = math.log(sum(math.exp(entry) for entry in logits))
    return sum(
        ((1 - smoothing) * (n == true) + smoothing / len(logits)) * (total - entry) for n, entry in enumerate(logits)
    )


def by_loops(case: str, left: torch.Tensor, right: torch.Tensor, blocked: torch.Tensor) -> float:
    """The loss, pair by pair, in Python's numbers."""
    batch = len(left)
    dots = (left @ right.T).tolist()
    counts = [[i == j or not bool(blocked[i, j]) for j in range(batch)] for i in range(batch)]
    if case == "sigmoid":
        pairs = [(i, j) for i in range(batch) for j in range(batch) if counts[i][j]]
        return sum(math.log1p(math.exp((1 - 2 * (i == j)) * (10 * dots[i][j] - 10))) for i, j in pairs) / batch
    scale, margin = (1.0, 0.1) if case == "mms" else (1 / 0.07, 0.0)
    smoothing = 0.2 if "smoothed" in case else 0.0
    logits = [[scale * dots[i][j] - margin * (i == j) for j in range(batch)] for i in range(batch)]
    total = 0.0
    for i in range(batch):
        row = [j for j in range(batch) if counts[i][j]]
        column = [j for j in range(batch) if counts[j][i]]
        total += cross_entropy([logits[i][j] for j in row], row.index(i), smoothing)
        total += cross_entropy([logits[j][i] for j in column], column.index(i), smoothing)
    return total / batch * (1.0 if case == "mms" else 0.5)


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
def test_the_loss_equals_a_loop_over_pairs(case: str, share: float) -> None:
    left, right = tables(7)
    blocked = draw_blocked(7, share)
    loss = CASES[case].build().double()(left, right, blocked)
    assert loss.item() == pytest.approx(by_loops(case, left, right, blocked), rel=1e-6)


def test_the_gradient_is_that_of_finite_differences(case: str) -> None:
    objective, blocked = CASES[case].build().double(), draw_blocked(5)
    assert torch.autograd.gradcheck(lambda a, b: objective(a, b, blocked), tables(5, dim=3))


def test_nothing_blocked_is_bit_for_bit_the_loss_without_a_mask(case: str) -> None:
    objective = CASES[case].build()
    found = []
    for blocked in (None, torch.zeros(9, 9, dtype=torch.bool), torch.eye(9, dtype=torch.bool)):
        left, right = (table.detach().float().requires_grad_() for table in tables(9))
        loss = objective(left, right, blocked)
        found.append((loss.detach(), *torch.autograd.grad(loss, (left, right))))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_a_row_without_negatives_has_the_loss_of_a_batch_of_one(case: str) -> None:
    left, right = tables(6)
    objective = CASES[case].build().double()
    loss = objective(left, right, torch.ones(6, 6, dtype=torch.bool))
    alone = torch.stack([objective(left[n : n + 1], right[n : n + 1]) for n in range(6)])
    torch.testing.assert_close(loss, alone.mean())
    for gradient in torch.autograd.grad(loss, (left, right)):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("scale", [1.0, 300.0], ids=["one exponential", "textbook"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_blocked_logits_count_for_nothing_and_get_no_gradient(scale: float, smoothing: float) -> None:
    logits = scale * torch.randn(8, 8, generator=torch.Generator().manual_seed(2))
    blocked = draw_blocked(8)
    blocked[3] = True
    off_diagonal = blocked & ~torch.eye(8, dtype=torch.bool)
    changed = logits.masked_fill(off_diagonal, 1e4)
    losses = []
    for table in (logits.requires_grad_(), changed.requires_grad_()):
        loss = both_directions(table, smoothing, 0.1, blocked)
        loss.backward()
        losses.append(loss.detach())
        assert torch.isfinite(table.grad).all()
        assert not table.grad[off_diagonal].any()
        assert table.grad[~off_diagonal].any()
    assert torch.equal(*losses)
    assert torch.equal(logits.grad, changed.grad)


def test_blocked_negatives_of_the_sigmoid_get_no_gradient() -> None:
    left, right = tables(5)
    left.data[2], right.data[3] = torch.zeros(6), torch.zeros(6)
    blocked = torch.zeros(5, 5, dtype=torch.bool)
    blocked[0, 1] = True
    # With row 0 blocked against row 1, right[1] feels row 0 no more: its gradient is that without row 0's pull.
    loss = sigmoid_contrast(left, right, 10.0, -10.0, blocked)
    (gradient,) = torch.autograd.grad(loss, right)
    whole = sigmoid_contrast(left, right, 10.0, -10.0)
    (all_of_it,) = torch.autograd.grad(whole, right)
    pull = 10 * torch.sigmoid(10 * left[0] @ right[1] - 10) * left[0] / 5
    torch.testing.assert_close(all_of_it[1] - gradient[1], pull.detach())
    assert torch.equal(gradient[[0, 2, 3, 4]], all_of_it[[0, 2, 3, 4]])


def test_half_precision_under_autocast_stays_finite(case: str) -> None:
    left, right = (table.detach().float().requires_grad_() for table in tables(16))
    blocked = draw_blocked(16, 0.7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = CASES[case].build()(left, right, blocked)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, CASES[case].build()(left, right, blocked), rtol=0.05, atol=0.05)
    assert torch.isfinite(left.grad).all()


def test_segments_overlap_where_they_share_time() -> None:
    rows = [
        (0, 0.0, 10.0),
        (0, 5.0, 15.0),
        (0, 10.0, 20.0),  # touches the first
        (1, 0.0, 10.0),  # another video
        (-1, 0.0, 10.0),
        (-1, 0.0, 10.0),  # not known, and so not the same as the one before
        (0, 6.0, 6.0),  # no length
        (0, 0.0, 10.0),  # the first once more
    ]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    for i, (source, start, end) in enumerate(rows):
        for j, (other, begin, stop) in enumerate(rows):
            expected[i, j] = i != j and source == other >= 0 and min(end, stop) - max(start, begin) > 0
    found = overlapping_rows(make_segments(rows))
    assert torch.equal(found, expected)
    assert found.nonzero().tolist() == [[0, 1], [0, 7], [1, 0], [1, 2], [1, 7], [2, 1], [7, 0], [7, 1]]


def embeddings_of(rows: list[tuple[int, float, float]], seed: int = 0, missing: tuple[int, ...] = ()) -> Embeddings:
    text, video = tables(len(rows), seed=seed)
    held = torch.ones(len(rows), dtype=torch.bool)
    held[list(missing)] = False
    present = {"text": torch.ones(len(rows), dtype=torch.bool), "video": held}
    return Embeddings({"text": text, "video": video}, present, segments=make_segments(rows))


def test_two_clips_that_are_the_same_leave_the_others_as_negatives() -> None:
    """Rows 0 and 1 are one clip: each row's loss is that of a batch from which the other is taken out."""
    embeddings = embeddings_of([(0, 0.0, 9.0), (0, 0.0, 9.0), (1, 0.0, 9.0), (2, 0.0, 9.0)])
    text, video = embeddings.vectors["text"], embeddings.vectors["video"]
    config = PairwiseConfig(objective=MaskedMarginSoftmaxConfig(), pairs=(TV,), mask_overlaps=True)
    found = config.build()(embeddings).total
    similarity = text @ video.T - 0.001 * torch.eye(4)
    total = 0.0
    for row, negatives in enumerate([(2, 3), (2, 3), (0, 1, 3), (0, 1, 2)]):
        kept = [row, *negatives]
        total += (similarity[row, kept].logsumexp(0) + similarity[kept, row].logsumexp(0)).item()
        total -= 2 * similarity[row, row].item()
    assert found.item() == pytest.approx(total / 4)
    # With the two alone in the batch, each is a batch of one and there is nothing to tell apart.
    pair = embeddings_of([(0, 0.0, 9.0), (0, 0.0, 9.0)])
    assert config.build()(pair).total.item() == pytest.approx(0.0, abs=1e-12)


def test_order_of_rows_changes_nothing(case: str) -> None:
    rows = [(0, 0.0, 9.0), (0, 4.0, 12.0), (1, 0.0, 9.0), (0, 9.0, 15.0), (-1, 0.0, 9.0), (1, 8.0, 11.0)]
    config = PairwiseConfig(objective=CASES[case], pairs=(TV,), mask_overlaps=True)
    one = embeddings_of(rows, missing=(4,))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(3))
    other = Embeddings(
        {name: vectors[order] for name, vectors in one.vectors.items()},
        {name: held[order] for name, held in one.present.items()},
        segments=make_segments([rows[n] for n in order.tolist()]),
    )
    torch.testing.assert_close(config.build().double()(one).total, config.build().double()(other).total)


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        (MaskedMarginSoftmaxConfig(), masked_margin_softmax),
        (InfoNCEConfig(), lambda a, b, blocked: info_nce(a, b, 1 / 0.07, blocked=blocked)),
        (SigmoidContrastConfig(), lambda a, b, blocked: sigmoid_contrast(a, b, 10.0, -10.0, blocked)),
    ],
    ids=["mms", "infonce", "sigmoid"],
)
def test_only_rows_that_hold_both_sides_are_masked(
    objective: PairObjectiveConfig, loss: Callable[..., torch.Tensor]
) -> None:
    embeddings = embeddings_of([(0, 0.0, 9.0), (0, 1.0, 5.0), (1, 0.0, 9.0), (0, 4.0, 8.0)], missing=(1,))
    held = [0, 2, 3]
    blocked = torch.tensor([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=torch.bool)
    text, video = (embeddings.vectors[name][held] for name in ("text", "video"))
    config = PairwiseConfig(objective=objective, pairs=(TV,), mask_overlaps=True)
    torch.testing.assert_close(config.build()(embeddings).total, loss(text, video, blocked=blocked))


def test_a_batch_of_one_moment_of_one_video_has_no_negatives(case: str) -> None:
    embeddings = embeddings_of([(7, 1.0, 2.0)] * 5)
    config = PairwiseConfig(objective=CASES[case], pairs=(TV,), mask_overlaps=True)
    loss = config.build().double()(embeddings).total
    text, video = embeddings.vectors["text"], embeddings.vectors["video"]
    assert loss.item() == pytest.approx(
        by_loops(case, text, video, torch.ones(5, 5, dtype=torch.bool)), rel=1e-6, abs=1e-9
    )
    for gradient in torch.autograd.grad(loss, (text, video), allow_unused=True):
        assert torch.isfinite(gradient).all()


def test_no_overlap_and_no_mask_are_bit_equal(case: str) -> None:
    embeddings = embeddings_of([(0, 0.0, 1.0), (0, 1.0, 2.0), (1, 0.0, 1.0), (-1, 0.0, 0.0)])
    off, on = (PairwiseConfig(objective=CASES[case], pairs=(TV,), mask_overlaps=mask).build() for mask in (False, True))
    assert torch.equal(off.double()(embeddings).total, on.double()(embeddings).total)


def test_without_segments_the_mask_is_refused(make_embeddings: Callable[..., Any]) -> None:
    config = PairwiseConfig(objective=InfoNCEConfig(), pairs=(TV,), mask_overlaps=True)
    with pytest.raises(ConfigError, match="columns source, start and end"):
        config.build()(make_embeddings())

import numpy as np
import pytest

from trichord.training.convergence import judge_convergence

EPOCHS = list(range(1, 31))
NOISE = np.random.default_rng(0).normal(size=30)


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (np.linspace(0, 30, 30) + 0.3 * NOISE, "rising"),
        (30 * (1 - np.exp(-np.arange(30) / 3)) + 0.3 * NOISE, "flat"),
        (np.minimum(np.arange(30) * 3, 60 - np.arange(30)) + 0.3 * NOISE, "falling"),
        (30 * (1 - np.exp(-2 * np.arange(30) / 30)) + 0.3 * NOISE, "rising"),
        (30 * (1 - np.exp(-4 * np.arange(30) / 30)) + 0.003 * NOISE, "flat"),
        (np.concatenate([[0], 50 + 0.3 * np.arange(29)]), "rising"),
        (50 + 0.02 * np.arange(30), "flat"),
        (np.full(30, 4.0), "flat"),
        (20 + NOISE, "flat"),
    ],
)
def test_planted_curves(curve: np.ndarray, verdict: str) -> None:
    assert judge_convergence(EPOCHS, curve.tolist()).verdict == verdict


def test_the_verdict_does_not_depend_on_the_unit() -> None:
    curve = np.linspace(0, 30, 30) + 0.3 * NOISE
    assert (
        judge_convergence(EPOCHS, (curve / 100).tolist()).verdict == judge_convergence(EPOCHS, curve.tolist()).verdict
    )


def test_best_epoch_and_short_curves() -> None:
    found = judge_convergence([2, 4, 6], [1.0, 3.0, 3.0])
    assert (found.verdict, found.best_epoch, found.last_epoch) == ("unknown", 4, 6)
    assert judge_convergence([], []).verdict == "unknown"
    assert "too few" in found.sentence


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="one value per epoch"):
        judge_convergence([1], [])

"""The benchmarks of adapters run at a tiny size, count what they say they count, and compare equal work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import adapter_cost
from benchmarks.adapter_cost import FULL, LARGEST_SHARE, SUBJECTS, Learner, compare, prepare, run_apart, ways_of
from benchmarks.adapter_switching import QUICKLY_MIXED, adapter_mixing, adapter_switching, mixing_calls
from benchmarks.memory_split import measure_step
from benchmarks.trunk_caching import QUICK_SIZE, make_epochs, trunk_caching, write_clips
from trichord.training.optimization import OptimizerConfig, build_optimizer

ROWS = 6


@pytest.mark.parametrize(
    ("learning", "weights_kept", "activations"),
    [
        # ReLU keeps its result, which is the input of the second layer: one storage. The batch is no activation.
        (("0.weight", "0.bias", "2.weight", "2.bias"), 325, 4 * ROWS * 20),
        # A frozen layer keeps no input; ReLU still keeps its result.
        (("0.bias",), 20, 4 * ROWS * 20),
        # Below the last layer that learns nothing is kept.
        (("2.bias",), 5, 0),
    ],
)
def test_memory_is_split_as_counted_by_hand(learning: tuple[str, ...], weights_kept: int, activations: int) -> None:
    module = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in learning)
    values = torch.rand(ROWS, 10)
    optimizer = build_optimizer(module, OptimizerConfig())
    split = measure_step(module, optimizer, lambda: module(values).sum(), [values])
    assert split.weights == 4 * (10 * 20 + 20 + 20 * 5 + 5)
    assert split.gradients == 4 * weights_kept
    # Adam remembers two moments of each number and a counter for each tensor.
    assert split.optimizer == 8 * weights_kept + 4 * len(learning)
    assert split.activations == activations
    assert split.total == split.weights + split.gradients + split.optimizer + activations


@pytest.mark.parametrize("name", SUBJECTS)
def test_all_ways_start_from_the_same_loss_and_learn_what_they_say(name: str) -> None:
    build = SUBJECTS[name][True]
    losses = []
    for way in ways_of(name, True):
        subject = build()
        learner = prepare(subject, way)
        # Dropout of the transformer would differ from run to run.
        subject.base.eval()
        with torch.no_grad():
            losses.append(float(subject.loss()))
        assert (learner.learning == learner.base_parameters) == (way == FULL)
        if way != FULL:
            shapes = [tensor.shape for tensor in learner.file().values()]
            assert sum(shape.numel() for shape in shapes) == learner.learning
            assert all(8 in shape for shape in shapes), "rank 8"
    assert losses == pytest.approx([losses[0]] * len(losses))


def test_a_frozen_base_does_not_move_and_the_matrices_do() -> None:
    subject = SUBJECTS["audio"][True]()
    learner = prepare(subject, "convolutions too")
    before = {name: tensor.clone() for name, tensor in subject.base.state_dict().items()}
    learner.step()
    moved = {name for name, tensor in subject.base.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all("lora_" in name for name in moved)


def test_an_adapter_is_compared_with_full_fine_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_cost, "run_apart", lambda name, way, quick: 1000)
    outcome = compare("transformer", True, 3.0)
    assert outcome.ratio is not None
    assert outcome.met is (outcome.ratio >= 3.0)
    assert "full fine-tuning: " in outcome.extra
    assert "; query and value: " in outcome.extra
    share = compare("heads", True)
    assert share.target == f"adapter <= {LARGEST_SHARE:.0%}"
    assert share.met is False, "matrices of rank 8 are a large part of so small a base"


@pytest.mark.slow
def test_the_peak_is_that_of_a_process_of_its_own() -> None:
    assert 0 <= run_apart("heads", "linear layers", True) < 1e9


def test_the_file_is_written_and_weighed() -> None:
    tensors = {"a": torch.zeros(1000)}
    learner = Learner(1, 1, lambda: None, lambda: pytest.fail("not measured"), lambda: tensors)
    assert 4000 < learner.file_bytes() < 4200


def test_a_mixed_batch_is_the_same_in_every_way_and_differs_from_one_adapter() -> None:
    found = {way: call() for way, call in mixing_calls(QUICKLY_MIXED).items()}
    for name in ("video", "text"):
        torch.testing.assert_close(found["mixed"][name], found["groups"][name])
        torch.testing.assert_close(found["mixed"][name], found["peft"][name])
        assert not torch.allclose(found["mixed"][name], found["one"][name], atol=1e-4)


def test_the_benchmarks_of_many_adapters_run() -> None:
    switching, mixing = adapter_switching(True), adapter_mixing(True)
    assert switching.ratio is not None
    assert "3 loaded" in switching.extra
    assert mixing.ratio is not None
    assert "adapter_names of PEFT" in mixing.extra


@pytest.mark.parametrize(
    ("sides", "depths"),
    [(("audio",), {"audio": "trunk", "text": "encoder"}), (("audio", "text"), {"audio": "trunk"})],
)
def test_an_epoch_from_the_cache_has_the_losses_of_one_without(
    sides: tuple[str, ...], depths: dict[str, str], tmp_path: Path
) -> None:
    epochs = make_epochs(write_clips(tmp_path / "data", QUICK_SIZE, 8), QUICK_SIZE, sides, tmp_path / "cache")
    assert epochs.depths == depths
    assert epochs.cache_bytes > 0
    for _ in range(2):
        expected = epochs.plain()
        assert len(expected) == 2
        assert epochs.cached() == pytest.approx(expected, rel=1e-4)


def test_the_benchmark_of_trunk_caching_runs() -> None:
    outcome = trunk_caching(True)
    assert outcome.ratio is not None
    assert "adapters on both sides" in outcome.extra

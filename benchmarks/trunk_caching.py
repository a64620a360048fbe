"""An epoch of adapters above the frozen audio trunk: the trunk at every step, beside its outputs from the cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.adapter_subjects import MELS, WORD_WIDTH, WORDS, NetworkSize, build_encoder, mcn_config
from benchmarks.outcome import Outcome, compared
from benchmarks.timing import in_turns, processor_seconds, seconds
from trichord.adapters.lora import LowRank
from trichord.adapters.settings import LowRankConfig
from trichord.curricula import set_trainable, training_mode
from trichord.data import Dataset
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.modality import AUDIO, TEXT
from trichord.objectives import MaskedMarginSoftmaxConfig, ObjectiveConfig, PairwiseConfig, WeightedPairConfig
from trichord.randomness import torch_generator
from trichord.runs.preprocessing import preprocessing_of
from trichord.training.optimization import OptimizerConfig, build_optimizer
from trichord.training.source import BatchSource
from trichord.training.system import AdapterView, System
from trichord.training.trunk_cache import CachedDataset, cache_outputs, cacheable_depth

NAMES, ADAPTER = (AUDIO.name, TEXT.name), "AT"
SMALLEST_RATIO = 50.0
FULL_SIZE = NetworkSize(batch_size=32)
QUICK_SIZE = NetworkSize(batch_size=4, dim=16, audio_widths=(8, 16), frames=40)


@dataclass(frozen=True)
class Epochs:
    """An epoch in the two ways, each returning its losses, and what making the cache took.

    Args:
        plain, cached: take an epoch of every step.
        depths: modality -> how far it was computed beforehand.
        making: seconds of computing and writing the cache.
        cache_bytes: size of the cache.
    """

    plain: Callable[[], list[float]]
    cached: Callable[[], list[float]]
    depths: dict[str, str]
    making: float
    cache_bytes: int


def trunk_caching(quick: bool) -> Outcome:
    """With everything cached that stays the same, an epoch must be fifty times as fast."""
    size, clips, rounds = (QUICK_SIZE, 8, 1) if quick else (FULL_SIZE, 64, 2)
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_clips(Path(folder) / "data", size, clips)
        found = {}
        for sides in ((AUDIO.name,), NAMES):
            epochs = make_epochs(dataset, size, sides, Path(folder) / "cache")
            calls = {"plain": epochs.plain, "cached": epochs.cached}
            epochs.cached()
            times = in_turns(calls, rounds)
            computing = {name: processor_seconds(call) for name, call in calls.items()}
            found[sides] = (epochs, min(times["plain"]), min(times["cached"]), computing["plain"] / computing["cached"])
    one, plain, cached, processor = found[(AUDIO.name,)]
    _, both_plain, both_cached, both_processor = found[NAMES]
    extra = (
        f"processor time {processor:.0f}x; making the cache {one.making:.2f} s, {one.cache_bytes / clips:.0f} bytes a "
        f"clip; adapters on both sides, where text is encoded at every step: {both_plain:.2f} s and "
        f"{both_cached:.3f} s, {both_plain / both_cached:.1f}x, processor time {both_processor:.1f}x"
    )
    setting = f"{clips} clips of {size.frames} frames, width {size.dim}, adapter of audio alone for A-T"
    return compared("trunk caching", setting, plain, cached, SMALLEST_RATIO, extra)


def make_epochs(dataset: Dataset, size: NetworkSize, sides: tuple[str, ...], folder: Path) -> Epochs:
    """Return both ways of taking an epoch, from equal adapters over equal bases."""
    systems = [build_system(size, sides) for _ in range(2)]
    optimizers = [build_optimizer(system, OptimizerConfig(learning_rate=1e-4)) for system in systems]
    settings = preprocessing_of(mcn_config(size, NAMES))
    items = dataset.split("train")
    found = {name: cacheable_depth(systems[1].model.encoder(name)) for name in NAMES}
    depths = {name: depth for name, depth in found.items() if depth is not None}

    def make() -> CachedDataset:
        return cache_outputs(systems[1].model, dataset, items, depths, settings, folder)

    making = seconds(make)
    held = make()

    def epoch(number: int, data: Dataset) -> list[float]:
        losses = []
        for _, batch in BatchSource(data, items, NAMES, size.batch_size, 0, 0).steps(0):
            loss = systems[number](batch).total
            loss.backward()
            optimizers[number].step()
            optimizers[number].zero_grad(set_to_none=True)
            losses.append(loss.item())
        return losses

    def cached() -> list[float]:
        with systems[1].model.given(held.depths):
            return epoch(1, held)

    size_of = sum(part.values.nbytes for part in held.outputs.values())
    return Epochs(lambda: epoch(0, dataset), cached, dict(held.depths), making, size_of)


def build_system(size: NetworkSize, sides: tuple[str, ...]) -> System:
    """Return the pair A-T under an adapter in the linear layers of some sides, everything else frozen."""
    model = build_encoder(size, NAMES)
    low_rank = LowRank(model)
    low_rank.attach(ADAPTER, LowRankConfig(), [f"encoders.{side}" for side in sides])
    pair = WeightedPairConfig(left=(TEXT.name,), right=(AUDIO.name,))
    contrast = PairwiseConfig(objective=MaskedMarginSoftmaxConfig(margin=0.001), pairs=(pair,))
    view = AdapterView(NAMES, ObjectiveConfig(parts={"contrast": contrast}).build())
    system = System(model, None, NAMES, low_rank, {ADAPTER: view})
    set_trainable(model.encoders, ())
    low_rank.learn([ADAPTER])
    system.train()
    training_mode(model.encoders, (), NAMES)
    return system


def write_clips(path: Path, size: NetworkSize, clips: int) -> Dataset:
    """Write clips of full length with a sentence each."""
    arrays = {}
    for name, steps, width, scale in ((AUDIO.name, size.frames, MELS, -80.0), (TEXT.name, WORDS, WORD_WIDTH, 1.0)):
        drawn = torch.rand(clips * steps, width, generator=torch_generator(0, f"benchmark clips {name}"))
        arrays[name] = ModalityArrays((scale * drawn).half().numpy(), None, np.arange(clips + 1) * steps)
    items = {"id": [f"clip{number}" for number in range(clips)], "split": ["train"] * clips}
    write_dataset(path, name="benchmark", items=items, modalities=arrays)
    return Dataset.open(path)

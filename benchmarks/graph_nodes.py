"""A further node of a knowledge transfer graph: a network of its own beside an adapter over a base that is there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.adapter_subjects import NetworkSize, mcn_config
from benchmarks.outcome import Outcome, compared
from benchmarks.timing import in_turns, processor_seconds
from benchmarks.trunk_caching import NAMES, write_clips
from trichord.adapters.lora import plain_state
from trichord.cotraining.build import build_cast
from trichord.cotraining.loop import cotrain
from trichord.data import Dataset, DatasetSpec
from trichord.files import hash_tensors
from trichord.graphs.text import parse_graph
from trichord.modality import AUDIO, TEXT
from trichord.objectives import MaskedMarginSoftmaxConfig, ObjectiveConfig, PairwiseConfig, WeightedPairConfig
from trichord.recipes.graphs import graph_experiment
from trichord.runs import ExperimentConfig, Model, SelectionConfig
from trichord.training.engine import Engine
from trichord.training.loop import Position
from trichord.training.optimization import OptimizerConfig
from trichord.training.source import BatchSource
from trichord.training.stage import StageConfig

FULL_SIZE = NetworkSize(batch_size=8, dim=2048)
QUICK_SIZE = NetworkSize(batch_size=4, dim=16, audio_widths=(8, 16), frames=40)
SMALLEST_RATIO, ROUNDS, MOST_NODES = 4.0, 3, 3


def recipe(spec: DatasetSpec, order: str, seed: int) -> ExperimentConfig:
    """Return audio and text encoders as published for MCN, in the size that is measured, and its contrast."""
    size = FULL_SIZE if spec.num_items > QUICK_SIZE.batch_size else QUICK_SIZE
    pair = WeightedPairConfig(left=(TEXT.name,), right=(AUDIO.name,))
    contrast = PairwiseConfig(objective=MaskedMarginSoftmaxConfig(margin=0.001), pairs=(pair,))
    stage = StageConfig(
        modalities=NAMES,
        train=NAMES,
        objective=ObjectiveConfig(parts={"contrast": contrast}),
        optimizer=OptimizerConfig(learning_rate=1e-4),
        epochs=1,
        batch_size=size.batch_size,
        keep="last",
    )
    return ExperimentConfig(
        recipe="benchmark",
        order=order,
        seed=seed,
        letters={AUDIO.name: AUDIO.letter, TEXT.name: TEXT.letter},
        model=mcn_config(size, NAMES),
        stages=(stage,),
        selection=SelectionConfig(split=None),
    )


class _Silent:
    """Hooks that do nothing."""

    def after_step(self, record: object) -> None: ...

    def after_epoch(self, epoch: int) -> None: ...

    def at_boundary(self, upcoming: Position) -> None: ...


def graph_nodes(quick: bool) -> Outcome:
    """A further adapter must cost at most a quarter of a further network, on encoders that have a trunk."""
    size = QUICK_SIZE if quick else FULL_SIZE
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_clips(Path(folder) / "data", size, size.batch_size)
        steps = {
            (kind, number): _step(dataset, number, adapters=kind == "adapter")
            for kind in ("network", "adapter")
            for number in (1, MOST_NODES)
        }
        times = in_turns({f"{kind} {n}": step for (kind, n), step in steps.items()}, 1 if quick else ROUNDS)
        computing = {f"{kind} {n}": processor_seconds(step) for (kind, n), step in steps.items()}

    def further(found: dict[str, float], kind: str) -> float:
        return (found[f"{kind} {MOST_NODES}"] - found[f"{kind} 1"]) / (MOST_NODES - 1)

    fastest = {name: min(taken) for name, taken in times.items()}
    full, adapter = further(fastest, "network"), further(fastest, "adapter")
    processor = further(computing, "adapter") / further(computing, "network")
    extra = (
        f"a further adapter costs {adapter / full:.1%} of a further network ({processor:.1%} of its processor time); "
        f"a step of {MOST_NODES} networks {fastest[f'network {MOST_NODES}']:.2f} s, of {MOST_NODES} adapters "
        f"{fastest[f'adapter {MOST_NODES}']:.2f} s"
    )
    setting = f"pair A-T, audio trunk, width {size.dim}, {size.batch_size} clips of {size.frames} frames"
    return compared("graph nodes", setting, full, adapter, SMALLEST_RATIO, extra)


def _step(dataset: Dataset, number: int, *, adapters: bool) -> Callable[[], None]:
    """Return a call that takes one step of a graph of so many nodes of one kind, without edges between them."""
    kind = " adapter" if adapters else ""
    lines = [
        f"n{place}: {'peer' if place else 'target'} T-A{kind}; label -> n{place}: through" for place in range(number)
    ]
    graph = parse_graph("; ".join(lines), dataset.modalities)
    base = _base(dataset) if adapters else None
    config = graph_experiment(
        dataset, graph, "T>A", recipe="benchmarks.graph_nodes:recipe", base=base, selection=SelectionConfig(split=None)
    )
    engine = Engine("float32")
    cast = build_cast(config, dataset, base, engine.device, None)
    source = BatchSource(dataset, dataset.split("train"), NAMES, config.batch_size, 0, 0)
    return partial(cotrain, cast, config, source, engine, Position(0, 0, 0), _Silent())


def _base(dataset: Dataset) -> Model:
    config = recipe(dataset.spec, "AT", 0)
    torch.manual_seed(0)
    encoder = config.model.build()
    return Model(config, encoder, hash_tensors(plain_state(encoder)))

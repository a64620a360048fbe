"""How a classifier learns: what is prepared, taken up, learnt, and proven not to have moved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trichord.adapters.lora import own_tensors, plain_state
from trichord.classification.build import Built
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import LoadedClassifier
from trichord.classification.measure import Measuring
from trichord.classification.system import ClassifierSystem
from trichord.classification.vectors import with_vectors
from trichord.curricula import frozen_hashes, verify_frozen
from trichord.data import Dataset
from trichord.data.classes import Classes, LabelSets
from trichord.errors import TrainingError
from trichord.files import hash_tensors
from trichord.runs.options import RunOptions
from trichord.runs.progress import Interruption
from trichord.runs.recorder import Recorder
from trichord.training.checkpoint import Checkpoint, load_state, restore
from trichord.training.engine import Engine
from trichord.training.loop import Position, train_stage
from trichord.training.optimization import build_optimizer
from trichord.training.source import BatchSource
from trichord.training.trunk_cache import instances_of

MOST_BYTES = 2**31
"""Vectors of frozen encoders are computed once, before training, where those of a modality take no more."""


@dataclass(frozen=True)
class Given:
    """What a caller hands in, and what the data say."""

    config: ClassifierExperimentConfig
    dataset: Dataset
    labels: Classes | LabelSets
    directory: ClassifierDirectory
    options: RunOptions
    experts: Mapping[str, LoadedClassifier]
    probes: bool


@dataclass(frozen=True)
class Learner:
    """A classifier with all that it learns by.

    Args:
        given: what the caller handed in.
        built: the classifier.
        system: with its loss.
        optimizer: over what learns.
    """

    given: Given
    built: Built
    system: ClassifierSystem
    optimizer: torch.optim.Optimizer

    @property
    def matrices(self) -> frozenset[str]:
        """Names of the tensors that learn in encoders that are frozen."""
        return own_tensors(self.built.model.encoders, tuple(self.given.config.low_rank))


@dataclass(frozen=True)
class State:
    """Where training stands.

    Args:
        start: the next step to take.
        memory: plain data that every checkpoint holds; it changes while it learns.
        best: the best weights so far.
    """

    start: Position
    memory: dict[str, Any]
    best: Mapping[str, torch.Tensor]


def prepare(given: Given, built: Built, device: torch.device) -> Learner:
    """Put a loss and an optimizer to a classifier, in which the head learns at a rate of its own."""
    config = given.config
    system = ClassifierSystem(built.model, config, torch.from_numpy(given.labels.truth).to(device), built.teachers)
    heads = [name for name, _ in system.named_parameters() if name.startswith("model.heads.")]
    ratios = dict.fromkeys(heads, config.learning.head_ratio)
    return Learner(given, built, system, build_optimizer(system, config.learning.optimizer, ratios))


def take_up(learner: Learner, checkpoint: Checkpoint | None) -> State:
    """Return where training stands: at its beginning, or at a checkpoint, whose weights are put back."""
    if checkpoint is not None:
        restore(checkpoint, learner.system, learner.optimizer)
        return State(checkpoint.position, checkpoint.memory, checkpoint.best)
    given, built, config = learner.given, learner.built, learner.given.config
    memory = {
        "best_value": -1.0,
        "best_epoch": 0,
        "seconds": 0.0,
        "frozen": frozen_hashes(built.model.encoders, config.train, learner.matrices),
        "teachers": frozen_hashes(built.teachers, ()),
        "beforehand": _beforehand(given, built) if given.options.cache_trunks else [],
        "bases": {name: _base_hash(config, built, name) for name in config.low_rank},
    }
    return State(Position(0, 0, 0), memory, {})


def learn(learner: Learner, engine: Engine, state: State, *, new: bool) -> BatchSource:
    """Take the steps that are left, put the chosen weights into the model, and return what was learnt from.

    Args:
        learner: what learns.
        engine: device, precision and processes.
        state: where it stands.
        new: whether nothing was saved yet.

    Raises:
        TrainingError: training cannot go on, or something frozen moved.
    """
    given, model, memory = learner.given, learner.built.model, state.memory
    config = given.config
    items, known, began = given.dataset.split(*config.fit_splits), memory["beforehand"], time.monotonic()
    view = with_vectors(model, given.dataset, items, modalities=known, batch_size=config.encode_batch)
    memory["seconds"] += time.monotonic() - began
    source = BatchSource(view, items, model.modalities, config.learning.batch_size, config.seed, 0, fewest=1)
    interruption = Interruption()
    recorder = Recorder(
        directory=given.directory,
        config=config.learning,
        name=given.directory.path.name,
        group="classifier",
        system=learner.system,
        optimizer=learner.optimizer,
        validate=Measuring(model, config, given.dataset, given.labels, config.still).validate,
        options=given.options,
        interruption=interruption,
        memory=memory,
        best=dict(state.best),
        num_steps=source.num_steps,
        start=state.start,
    )
    if new:
        recorder.save(state.start)
    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(engine.device)
    try:
        with interruption.listening(), model.given(known):
            train_stage(
                learner.system,
                config.learning,
                source,
                engine,
                learner.optimizer,
                state.start,
                config.seed,
                recorder,
            )
    finally:
        recorder.close()
    _verify(learner, memory)
    if config.learning.keep == "best" and recorder.best:
        load_state(model, recorder.best)
    return source


def _verify(learner: Learner, memory: Mapping[str, Any]) -> None:
    """Raise `TrainingError` when something frozen moved; what was learnt then is not gone on with."""
    directory, built = learner.given.directory, learner.built
    try:
        verify_frozen(built.model.encoders, memory["frozen"], directory.path.name, learner.matrices)
        verify_frozen(built.teachers, memory["teachers"], f"{directory.path.name} (teachers)")
    except TrainingError:
        directory.checkpoint_file.unlink(missing_ok=True)
        raise


def _beforehand(given: Given, built: Built) -> list[str]:
    """Return the modalities in whose encoders nothing learns, and whose vectors fit into memory."""
    items = given.dataset.split(*given.config.fit_splits)
    still = [name for name in given.config.still if name not in given.config.teachers]  # a teacher reads features
    numbers = {name: len(instances_of(given.dataset, name, items)) for name in still}
    return [name for name, number in numbers.items() if 4 * number * built.model.widths[name] <= MOST_BYTES]


def _base_hash(config: ClassifierExperimentConfig, built: Built, name: str) -> str:
    """Return the hash of what the matrices of a modality are over: of the expert, or of the encoder as it began."""
    return config.starts.get(name) or hash_tensors(plain_state(built.model.encoder(name)))

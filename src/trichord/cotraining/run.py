"""Carry out a graph: from data to a folder with its nodes and what they score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trichord.config import difference
from trichord.cotraining.build import Cast, build_cast, verify_frozen
from trichord.cotraining.checkpoint import restore_cast
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.export import save_nodes
from trichord.cotraining.loop import cotrain
from trichord.cotraining.measure import Measuring
from trichord.cotraining.recorder import GraphRecorder, Stopped, Watch, replay
from trichord.cotraining.suitability import check_graph_data, read_numbers
from trichord.data import Dataset
from trichord.dist import barrier, is_main
from trichord.errors import TrainingError
from trichord.evaluation import evaluation_set
from trichord.runs import Model, RunOptions, identify
from trichord.runs.directory import DirectoryRecord
from trichord.runs.progress import Interruption
from trichord.runs.sitting import begin_sitting, telling_the_end, working_in
from trichord.training.engine import Engine
from trichord.training.loop import Position
from trichord.training.source import BatchSource


@dataclass(frozen=True)
class _Given:
    """What a caller hands in."""

    config: GraphExperimentConfig
    dataset: Dataset
    directory: GraphDirectory
    options: RunOptions
    base: Model | None
    watch: Watch | None


def run_graph(
    config: GraphExperimentConfig,
    dataset: Dataset,
    out: str | Path,
    *,
    recipe: GraphExperimentConfig | None = None,
    options: RunOptions | None = None,
    base: Model | None = None,
    watch: Watch | None = None,
) -> GraphDirectory:
    """Train a graph and measure its nodes; go on where an earlier call stopped; return at once when it is finished.

    Args:
        config: the experiment.
        dataset: the data.
        out: folder; made if it does not exist.
        recipe: the configuration before any field was overridden, to record what was changed; None: nothing was.
        options: choices that do not change the numbers; trunks are not cached, those of adapters are shared instead.
        base: the model under adapters, where `config.base` names one; it is left as it is, and not looked at where
            no node is an adapter.
        watch: asked after every validation whether to go on. What was validated before an interruption is told again.

    Raises:
        DataError: the data cannot serve the graph.
        RunError: the folder holds something else or is busy, or a start or the base is another one.
        TrainingError: training cannot go on, or something frozen moved.
        KeyboardInterrupt: the user stopped it; a checkpoint was written first.
    """
    directory = GraphDirectory(out)
    given = _Given(config, dataset, directory, options or RunOptions(), base, watch)
    check_graph_data(config, dataset)
    engine = Engine(config.precision, given.options.device)
    changes = {} if recipe is None else difference(recipe, config)
    with working_in(directory, lambda: DirectoryRecord(config, changes, identify(dataset))):
        if directory.finished or directory.stopped:
            replay(directory.curve(), watch, config.epochs)
        else:
            with telling_the_end(directory):
                _train(given, engine)
    return directory


def _train(given: _Given, engine: Engine) -> None:
    config, dataset, directory = given.config, given.dataset, given.directory
    numbers = read_numbers(config, dataset)
    on_device = None if numbers is None else torch.from_numpy(numbers).to(engine.device)
    cast = build_cast(config, dataset, given.base, engine.device, on_device)
    resumed = directory.checkpoint_file.exists()
    position, memory = restore_cast(directory.checkpoint_file, cast) if resumed else (Position(0, 0, 0), {})
    begin_sitting(directory, engine, position if resumed else None)
    items = dataset.split(*config.fit_splits)
    source = BatchSource(
        dataset, items, config.modalities, config.batch_size, config.seed, 0, config.items_per_source, fewest=1
    )
    measuring = Measuring(cast, config, dataset, numbers)
    interruption = Interruption()
    recorder = GraphRecorder(
        directory=directory,
        config=config,
        cast=cast,
        validate=_validator(measuring, config),
        options=given.options,
        interruption=interruption,
        watch=given.watch,
        memory=memory,
        num_steps=source.num_steps,
        start=position,
    )
    barrier()  # the record holds what is past, for all processes, before any of them reads it
    stopped = resumed and not replay(directory.curve(), given.watch, config.epochs)
    try:
        with interruption.listening():
            if not stopped:
                cotrain(cast, config, source, engine, position, recorder)
    except Stopped:
        stopped = True
    finally:
        recorder.close()
    try:
        verify_frozen(cast)
    except TrainingError:
        directory.checkpoint_file.unlink(missing_ok=True)  # what was learnt from it is not to be gone on with
        raise
    if is_main():
        seconds = round(memory["seconds"], 2)
        if stopped:
            directory.write_status(state="stopped", seconds=seconds, **_ending(directory))
        else:
            _finish(given, cast, measuring, seconds)
        directory.checkpoint_file.unlink(missing_ok=True)


def _validator(measuring: Measuring, config: GraphExperimentConfig) -> Callable[[str], float | None] | None:
    split = config.selection.split
    if split is None:
        return None
    return lambda name: measuring.value(name, split) if measuring.measurable(name, split) else None


def _finish(given: _Given, cast: Cast, measuring: Measuring, seconds: float) -> None:
    config, directory = given.config, given.directory
    hashes = save_nodes(directory, cast, config, given.dataset, given.base)
    flags = []
    splits = [split for split in (config.selection.split, config.report_split) if split is not None]
    for split in splits:
        evaluated = evaluation_set(given.dataset, split)
        for name in config.graph.nodes:
            if measuring.measurable(name, split):
                result = measuring.result(name, evaluated)
                result.save(directory.results_folder(split, name))
                flags += [f"{name} on {split}: {flag}" for flag in result.flags]
            elif config.measurable(name):
                flags.append(f"{name} on {split}: not measured, as no item there holds both sides of its task")
    directory.write_status(
        state="finished", seconds=seconds, nodes=hashes, frozen=cast.frozen, flags=flags, **_ending(directory)
    )


def _ending(directory: GraphDirectory) -> dict[str, object]:
    """Return what the last validation said, for status.json."""
    curve = directory.curve()
    epoch, value = curve[-1] if curve else (None, None)
    return {"epoch": epoch, "value": value}

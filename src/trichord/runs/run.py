"""Carry out an experiment: from data to a run folder with a finished model and its measured results."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trichord.adapters.lora import LowRank, own_tensors, plain_state
from trichord.config import difference
from trichord.curricula import frozen_hashes, set_trainable, verify_frozen
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.encoders import JointEncoder
from trichord.files import hash_tensors
from trichord.objectives import Objective
from trichord.randomness import derive_seed
from trichord.runs.adapted import attach_adapters, check_adapters, measure, save_adapters, validate
from trichord.runs.directory import DatasetIdentity, RunDirectory, RunRecord
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.initial import check_initial, start_from
from trichord.runs.model import Model
from trichord.runs.options import RunOptions
from trichord.runs.preprocessing import preprocessing_of
from trichord.runs.progress import Interruption
from trichord.runs.recorder import Recorder, Validate
from trichord.runs.sitting import begin_sitting, telling_the_end, working_in
from trichord.runs.statistics import fit_statistics, take_words
from trichord.runs.suitability import check_data
from trichord.runs.trunks import stage_data
from trichord.training.checkpoint import Checkpoint, load_checkpoint, load_state, restore, save_tensors
from trichord.training.convergence import judge_convergence
from trichord.training.engine import Engine
from trichord.training.loop import Position, train_stage
from trichord.training.optimization import build_optimizer
from trichord.training.source import BatchSource
from trichord.training.system import AdapterView, System


@dataclass
class Run:
    """A run in progress: what its stages share, with the adapters in its model, what they started from, and the base
    that was given.
    """

    config: ExperimentConfig
    dataset: Dataset
    directory: RunDirectory
    options: RunOptions
    engine: Engine
    model: JointEncoder
    interruption: Interruption
    low_rank: LowRank
    start: dict[str, dict[str, torch.Tensor]]
    initial: Model | None


def run_experiment(
    config: ExperimentConfig,
    dataset: Dataset,
    out: str | Path,
    *,
    recipe: ExperimentConfig | None = None,
    options: RunOptions | None = None,
    initial: Model | None = None,
) -> RunDirectory:
    """Train and measure; go on where an earlier call stopped; return at once when the run is finished.

    Args:
        config: the experiment.
        dataset: the data.
        out: run folder; made if it does not exist.
        recipe: the configuration before any field was overridden, to record what was changed; None: nothing was.
        options: choices that do not change the numbers.
        initial: the model training starts from, where `config.initial` names one.

    Raises:
        DataError: the data cannot serve the experiment.
        RunError: the folder holds something else or is busy, or `initial` is not the model that the experiment names.
        TrainingError: training cannot go on.
        KeyboardInterrupt: the user stopped it; a checkpoint was written first.
    """
    options = options or RunOptions()
    check_data(config, dataset)
    check_initial(config, initial)
    check_adapters(config)
    directory = RunDirectory(out)
    changes = {} if recipe is None else difference(recipe, config)
    engine = Engine(config.precision, options.device)
    with working_in(directory, lambda: RunRecord(config, changes, identify(dataset))):
        _carry_out(config, dataset, directory, options, engine, initial)
    return directory


def identify(dataset: Dataset) -> DatasetIdentity:
    """Return which data these are, for the record of a run."""
    return DatasetIdentity(dataset.spec.name, str(dataset.path), dataset.fingerprint())


def _carry_out(
    config: ExperimentConfig,
    dataset: Dataset,
    directory: RunDirectory,
    options: RunOptions,
    engine: Engine,
    initial: Model | None,
) -> None:
    if directory.finished:
        return
    checkpoint = load_checkpoint(directory.checkpoint_file) if directory.checkpoint_file.exists() else None
    model = build_model(config, dataset if checkpoint is None else None)
    if initial is not None:
        start_from(model, initial)  # a run that goes on needs it too: adapters may start from the weights of the base
    low_rank, start = attach_adapters(model, config)
    model.to(engine.device)
    run = Run(config, dataset, directory, options, engine, model, Interruption(), low_rank, start, initial)
    begin_sitting(directory, engine, None if checkpoint is None else checkpoint.position, stages=[])
    with telling_the_end(directory), run.interruption.listening():
        for number in range(0 if checkpoint is None else checkpoint.position.stage, len(config.stages)):
            resumed = checkpoint if checkpoint is not None and checkpoint.position.stage == number else None
            run_stage(run, number, resumed)
        if is_main():
            finish(run)


def build_model(config: ExperimentConfig, dataset: Dataset | None) -> JointEncoder:
    """Build the model from the experiment's seed, fit its input statistics on the fitting splits of `dataset`
    and give it the word vectors of the data.

    Without a data set the statistics stay unfitted: they will be loaded with the weights.
    """
    torch.manual_seed(derive_seed(config.seed, "weights"))
    model: JointEncoder = config.model.build()
    if dataset is not None:
        fit_statistics(model, dataset, dataset.split(*config.fit_splits))
        take_words(model, dataset)
    return model


def run_stage(run: Run, number: int, checkpoint: Checkpoint | None) -> None:
    """Run one stage from its start or a checkpoint, verify what was frozen, and hand the chosen weights on."""
    config, stage = run.config, run.config.stages[number]
    torch.manual_seed(derive_seed(config.seed, "objective", number))
    objective: Objective | None = None if stage.objective is None else stage.objective.build()
    views = {name: AdapterView(config.adapters[name].modalities, of.build()) for name, of in stage.adapters.items()}
    system = System(run.model, objective, stage.modalities, run.low_rank, views, stage.train)
    set_trainable(run.model.encoders, stage.train)
    run.low_rank.learn(stage.adapters)
    learning = own_tensors(run.model.encoders, stage.adapters)
    system.to(run.engine.device)
    optimizer = build_optimizer(system, stage.optimizer)
    start = Position(number, 0, 0)
    memory: dict[str, Any] = {"best_value": -1.0, "best_epoch": 0, "seconds": 0.0}
    best: dict[str, torch.Tensor] = {}
    if checkpoint is not None:
        restore(checkpoint, system, optimizer)
        start, memory, best = checkpoint.position, checkpoint.memory, checkpoint.best
    else:
        memory["frozen"] = frozen_hashes(run.model.encoders, stage.train, learning)
    items = run.dataset.split(*config.fit_splits)
    folder = run.options.cache_folder or run.directory.cache_folder
    before = None if checkpoint is None else memory.get("cached")
    data = stage_data(system, config, stage, run.dataset, folder, run.options, before)
    memory["cached"] = dict(data.depths)
    source = BatchSource(
        data.learning, items, stage.modalities, stage.batch_size, config.seed, number, stage.items_per_source
    )
    recorder = Recorder(
        directory=run.directory,
        config=stage,
        name=f"{run.directory.path.name} stage {number + 1}",
        group=f"stage{number + 1}",
        system=system,
        optimizer=optimizer,
        validate=validator(run, number, data.validation),
        options=run.options,
        interruption=run.interruption,
        memory=memory,
        best=best,
        num_steps=source.num_steps,
        start=start,
    )
    if checkpoint is None:
        recorder.save(start)
    try:
        with run.model.given(data.depths):
            train_stage(system, stage, source, run.engine, optimizer, start, config.seed, recorder)
    finally:
        recorder.close()
    verify_frozen(run.model.encoders, memory["frozen"], spelled(config, number), learning)
    if stage.keep == "best" and recorder.best:
        load_state(run.model, recorder.best)
    if is_main():
        record_stage(run, number, memory, source)


def spelled(config: ExperimentConfig, number: int) -> str:
    """Spell the order up to and including one stage: "AV" and "AV_T" for the stages of AV_T."""
    return "_".join(config.order.split("_")[: number + 1])


def validator(run: Run, number: int, dataset: Dataset) -> Validate | None:
    """Return the function that measures the model on the validation split, or None when there is none."""
    config, stage = run.config, run.config.stages[number]
    if config.selection.split is None:
        return None
    return partial(validate, run.low_rank, run.model, dataset, config, config.stage_tasks(stage))


def record_stage(run: Run, number: int, memory: dict[str, Any], source: BatchSource) -> None:
    """Write what a finished stage did into status.json: verdict, best epoch, hashes of the hand-over."""
    stage = run.config.stages[number]
    points = [m for m in run.directory.metrics() if m["kind"] == "validation" and m["stage"] == number]
    convergence = judge_convergence([p["epoch"] for p in points], [p["metrics"]["selection"] for p in points])
    entry = {
        "name": spelled(run.config, number),
        "train": list(stage.train),
        "adapters": list(stage.adapters),
        "epochs": stage.last_epoch,
        "steps_per_epoch": source.num_steps,
        "items": len(source.items),
        "unusable_items": source.num_unusable,
        "sources": None if source.by_source is None else len(source.by_source.groups),
        "best_epoch": memory["best_epoch"] or None,
        "best_value": memory["best_value"] if points else None,
        "kept": "best" if stage.keep == "best" and points else "last",
        "verdict": convergence.verdict,
        "sentence": convergence.sentence,
        "frozen": memory["frozen"],
        "seconds": round(memory["seconds"], 2),
        "cached": memory["cached"],
        "handover": {name: hash_tensors(plain_state(e)) for name, e in run.model.encoders.items()},
    }
    others = [there for there in run.directory.status().get("stages", []) if there["name"] != entry["name"]]
    run.directory.write_status(stages=[*others, entry])


def finish(run: Run) -> None:
    """Save the model, measure it on the reported split, and mark the run finished."""
    config, directory = run.config, run.directory
    if config.trains_base:
        state = plain_state(run.model)
        identity, preprocessing = hash_tensors(state), preprocessing_of(config.model)
        save_tensors(directory.model_file, state, {"hash": identity})
        folders = {name: directory.adapter_folder(name) for name in config.adapters}
    else:
        assert run.initial is not None, "the experiment demands it"
        identity, preprocessing = run.initial.identity, dict(run.initial.preprocessing)
        several = len(config.adapters) > 1
        folders = {name: directory.adapter_folder(name) if several else directory.path for name in config.adapters}
    adapters = save_adapters(run.low_rank, run.start, config, identity, preprocessing, run.dataset, folders)
    measured = config.evaluation
    results = measure(run.low_rank, run.model, run.dataset, config, config.tasks)
    flags = [f"{task}: {flag}" for task, result in results.items() for flag in result.flags]
    for result in results.values():
        result.save(directory.results_folder(measured.split))
    directory.write_status(state="finished", model=identity, adapters=adapters, flags=flags)
    directory.checkpoint_file.unlink(missing_ok=True)
    shutil.rmtree(directory.cache_folder, ignore_errors=True)

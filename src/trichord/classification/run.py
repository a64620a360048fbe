"""Carry out a classifier's experiment: from data to a folder with its weights and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from trichord.adapters.targets import num_parameters
from trichord.classification.build import Built, build_classifier
from trichord.classification.costs import num_learning, training_bytes
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.learning import Given, learn, prepare, take_up
from trichord.classification.loading import LoadedClassifier
from trichord.classification.measure import Measuring
from trichord.classification.probing import PROBED, add_probes, save_probes
from trichord.classification.saving import save_classifier
from trichord.classification.suitability import check_classifier_data, check_experts
from trichord.config import difference
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.runs.directory import DirectoryRecord
from trichord.runs.options import RunOptions
from trichord.runs.run import identify
from trichord.runs.sitting import begin_sitting, telling_the_end, working_in
from trichord.training.checkpoint import load_checkpoint
from trichord.training.engine import Engine


def run_classifier(
    config: ClassifierExperimentConfig,
    dataset: Dataset,
    out: str | Path,
    *,
    recipe: ClassifierExperimentConfig | None = None,
    options: RunOptions | None = None,
    experts: Mapping[str, LoadedClassifier] | None = None,
    probes: bool = True,
) -> ClassifierDirectory:
    """Train a classifier and measure it; go on where an earlier call stopped; return at once when it is finished.

    Args:
        config: the experiment.
        dataset: the data.
        out: folder; made if it does not exist.
        recipe: the configuration before any field was overridden, to record what was changed; None: nothing was.
        options: choices that do not change the numbers.
        experts: modality name -> the expert that it starts from or is taught by; they are left as they are.
        probes: whether to probe its encoders, unless they are those of experts; they can be added later, see
            `trichord.classification.probing.add_probes`.

    Raises:
        DataError: the data cannot serve the experiment.
        RunError: the folder holds something else or is busy, or an expert is not the one that the experiment names.
        TrainingError: training cannot go on, or something frozen moved.
        KeyboardInterrupt: the user stopped it; a checkpoint was written first.
    """
    directory, experts = ClassifierDirectory(out), experts or {}
    if directory.exists and directory.finished:
        directory.check_same(config, identify(dataset))
        return add_probes(out, dataset) if probes and config.kind in PROBED else directory
    labels = check_classifier_data(config, dataset)
    check_experts(config, dataset, experts)
    given = Given(config, dataset, labels, directory, options or RunOptions(), experts, probes)
    engine = Engine(config.precision, given.options.device)
    changes = {} if recipe is None else difference(recipe, config)
    with working_in(directory, lambda: DirectoryRecord(config, changes, identify(dataset))):
        if not directory.finished:
            with telling_the_end(directory):
                _train(given, engine)
    return directory


def _train(given: Given, engine: Engine) -> None:
    config, directory = given.config, given.directory
    checkpoint = load_checkpoint(directory.checkpoint_file) if directory.checkpoint_file.exists() else None
    built = build_classifier(config, given.dataset if checkpoint is None else None, given.experts)
    built.to(engine.device)
    learner = prepare(given, built, engine.device)
    state = take_up(learner, checkpoint)
    begin_sitting(directory, engine, None if checkpoint is None else checkpoint.position)
    with built.low_rank.active(*config.low_rank):
        source = learn(learner, engine, state, new=checkpoint is None)
        if is_main():
            directory.write_status(
                seconds=round(state.memory["seconds"], 3),
                best_epoch=state.memory["best_epoch"],
                best_value=state.memory["best_value"],
                kept=config.learning.keep,
                items=len(source.items),
                unusable_items=source.num_unusable,
                trainable=num_learning(learner.system),
                parameters=num_parameters(built.model),
                training_bytes=training_bytes((built.model, *built.teachers.values()), learner.optimizer),
                device_bytes=_most_used(engine),
                frozen=state.memory["frozen"],
                teachers=state.memory["teachers"],
            )
            _finish(given, built, state.memory["bases"])


def _most_used(engine: Engine) -> int | None:
    """Return the most bytes that were in use on the GPU while it learnt; None on a CPU."""
    return torch.cuda.max_memory_allocated(engine.device) if engine.device.type == "cuda" else None


def _finish(given: Given, built: Built, bases: Mapping[str, str]) -> None:
    """Save the classifier, measure what was saved, and mark the run finished."""
    config, directory = given.config, given.directory
    model = save_classifier(directory, config, built, given.dataset, given.experts, bases)
    measuring = Measuring(model, config, given.dataset, given.labels, model.modalities)
    for split in (config.selection_split, config.report_split):
        for name, scores in measuring.scores(split).items():
            scores.save(directory.scores_folder(split), name)
    directory.write_status(flags=[])
    if given.probes and config.kind in PROBED:
        save_probes(directory, measuring)
    directory.write_status(state="finished")
    directory.checkpoint_file.unlink(missing_ok=True)

"""Writes run folders as a study leaves them: real records, and results of vectors with a planted signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from trichord.curricula import parse_order
from trichord.encoders import JointEncoderConfig, LinearHeadConfig
from trichord.evaluation import EmbeddingTable, EvaluationConfig, RetrievalResult, evaluate_tasks
from trichord.evaluation.settings import EvaluationSet
from trichord.files import write_json
from trichord.modality import STANDARD, parse_task
from trichord.objectives import InfoNCEConfig, ObjectiveConfig, PairwiseConfig, WeightedPairConfig
from trichord.reports import Effort, save_baseline
from trichord.runs import DatasetIdentity, ExperimentConfig, RunDirectory, RunRecord
from trichord.training.convergence import judge_convergence
from trichord.training.stage import StageConfig

TASKS = ("T>V", "V>T", "T>VA")
FAST = Effort(num_resamples=200, num_draws=600)
DATA = DatasetIdentity("invented", "/nowhere", "00c0ffee00c0ffee")
NOISE = {
    "AV_T": {"video": 1.6, "audio": 1.6, "text": 2.2},
    "VT_A": {"video": 1.2, "audio": 2.2, "text": 1.2},
    "AVT": {"video": 1.5, "audio": 1.5, "text": 1.5},
    "linear CCA": {"video": 1.22, "audio": 1.8, "text": 1.22},
}


def planted_results(
    seed: int, noise: Mapping[str, float], tasks: Sequence[str] = TASKS, *, num_items: int = 60, split: str = "test"
) -> dict[str, RetrievalResult]:
    """Score vectors that are a common signal plus noise of a given strength for each modality."""
    signal = np.random.default_rng(7).normal(size=(num_items, 24))
    difficulty = np.random.default_rng(8).uniform(0.5, 1.5, size=(num_items, 1))
    generator = np.random.default_rng(seed)
    tables = {}
    for name, strength in noise.items():
        vectors = signal + strength * difficulty * generator.normal(size=signal.shape)
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        tables[name] = EmbeddingTable(vectors, np.arange(num_items))
    evaluated = EvaluationSet(DATA.name, DATA.fingerprint, split, np.arange(num_items), "5ca1ab1e", STANDARD)
    parsed = [parse_task(task, STANDARD) for task in tasks]
    return evaluate_tasks(tables, parsed, evaluated, EvaluationConfig(num_resamples=200))


def contrast(names: Sequence[str]) -> PairwiseConfig:
    pairs = tuple(WeightedPairConfig(left=(a,), right=(b,)) for a, b in combinations(names, 2))
    return PairwiseConfig(objective=InfoNCEConfig(), pairs=pairs)


def experiment(order: str, seed: int, epochs: int = 12) -> ExperimentConfig:
    names = ("video", "audio", "text")
    stages = tuple(
        StageConfig(
            modalities=stage.modalities,
            train=stage.train,
            epochs=epochs,
            objective=ObjectiveConfig(parts={"contrast": contrast(stage.modalities)}),
        )
        for stage in parse_order(order, STANDARD)
    )
    model = JointEncoderConfig(encoders={name: LinearHeadConfig(input_dim=8, output_dim=24) for name in names})
    letters = {modality.name: modality.letter for modality in STANDARD}
    config = ExperimentConfig(recipe="heads", order=order, seed=seed, letters=letters, model=model, stages=stages)
    return replace(config, evaluation=replace(config.evaluation, tasks=TASKS))


def write_run(
    folder: Path,
    config: ExperimentConfig,
    results: Mapping[str, RetrievalResult],
    *,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    rising: bool = False,
) -> Path:
    """Write a finished run."""
    directory = RunDirectory(folder)
    directory.begin(RunRecord(config, dict(changes or {}), DATA))
    write_json(directory.environment_file, {"packages": {"torch": "2.13.0"}, "commit": None, "cores": 2, "gpus": []})
    stages = []
    for number, stage in enumerate(config.stages):
        generator = np.random.default_rng([config.seed, number, *config.order.encode()])
        epochs = np.arange(1, stage.epochs + 1)
        top = 0.2 + 0.1 * generator.random()
        values = top * (1 - np.exp(-epochs / (stage.epochs / 8))) + generator.normal(0, 0.003, len(epochs))
        if rising and number == len(config.stages) - 1:
            values = top * epochs / stage.epochs
        for epoch in epochs:
            for step in range(2):
                loss = float(1.5 + 4 * np.exp(-epoch / 4) + generator.normal(0, 0.03))
                directory.append_metrics(kind="step", stage=number, epoch=int(epoch) - 1, step=step, loss=loss)
            metrics = {"selection": float(values[epoch - 1])}
            directory.append_metrics(kind="validation", stage=number, epoch=int(epoch), metrics=metrics)
        verdict = judge_convergence([int(epoch) for epoch in epochs], [float(value) for value in values])
        stages.append(
            {
                "name": "_".join(config.order.split("_")[: number + 1]),
                "epochs": stage.epochs,
                "best_epoch": verdict.best_epoch,
                "verdict": verdict.verdict,
                "sentence": verdict.sentence,
            }
        )
    for result in results.values():
        result.save(directory.results_folder(config.evaluation.split))
    directory.write_status(state="finished", stages=stages, error=None)
    return folder


def write_study(
    out: Path,
    orders: Sequence[str] = ("AV_T", "VT_A", "AVT"),
    *,
    num_seeds: int = 2,
    tasks: Sequence[str] = TASKS,
    num_items: int = 60,
    epochs: int = 12,
    rising: str = "AV_T",
) -> list[Path]:
    """Write the runs of several orders and seeds and one baseline; return their folders."""
    folders = []
    for order in orders:
        for seed in range(num_seeds):
            results = planted_results(10 + seed + 100 * orders.index(order), NOISE[order], tasks, num_items=num_items)
            config = experiment(order, seed, epochs)
            config = replace(config, evaluation=replace(config.evaluation, tasks=tuple(tasks)))
            changes = {"stages.0.epochs": (30, epochs)} if order == "AVT" else {}
            folder = out / order / f"seed-{seed}"
            folders.append(write_run(folder, config, results, changes=changes, rising=order == rising and seed == 0))
    baseline = out / "baselines" / "cca"
    results = planted_results(5, NOISE["linear CCA"], tasks, num_items=num_items)
    save_baseline(baseline, "linear CCA", {"ridge": 0.1, "chosen_on": "val"}, results, "test")
    return [*folders, baseline]

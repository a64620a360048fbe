"""Gather the facts about a run: its folder, the data it learnt from, the data it is measured on, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trichord.adapters.bank import AdapterBank
from trichord.data import Dataset
from trichord.data.packing import read_quarantine
from trichord.diagnosis.curves import read_stages, usual_settings
from trichord.diagnosis.facts import CoverageFacts, Facts, ModalityFacts, WeightFacts, WordFacts
from trichord.diagnosis.features import recorded_blocks, sample_features
from trichord.diagnosis.scores import Results, compare_runs, describe_score, read_results
from trichord.diagnosis.weights import compare_weights
from trichord.encoders import AudioEncoderConfig
from trichord.encoders.pooled import PooledEncoderConfig
from trichord.errors import ProtocolError, RunError
from trichord.evaluation import evaluate
from trichord.evaluation.result import RetrievalResult
from trichord.runs.adapted import group_tasks
from trichord.runs.directory import RunDirectory
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.run import build_model
from trichord.training.checkpoint import load_state, load_tensors


def read_facts(
    run: RunDirectory | str | Path,
    dataset: Dataset,
    *,
    results: Results | None = None,
    evaluated_on: Dataset | None = None,
    split: str | None = None,
    against: str | Path | None = None,
) -> Facts:
    """Read everything the checks look at; see `trichord.diagnosis.diagnose` for the arguments and errors."""
    directory = run if isinstance(run, RunDirectory) else RunDirectory(run)
    record = directory.record()
    if not record.config.trains_base:
        raise RunError(
            f"{directory.path} is an adapter over the base {record.config.initial}, whose weights did not learn here; "
            "diagnose the run of the base"
        )
    config, status = record.config, directory.status()
    other = None if against is None else RunDirectory(against)
    usual = usual_settings(record, None if other is None else other.record())
    stages = read_stages(directory, record, dataset, usual)
    weights = compare_weights(directory, config, stages) if directory.model_file.exists() else None
    found, failure = _results(directory, config, weights, results, evaluated_on or dataset, evaluated_on, split)
    measured = _measured(config, evaluated_on or dataset, split, found)
    deciding = config.selection.metric
    protocols = [result.protocol for result in found.values()]
    return Facts(
        run=str(directory.path),
        state=status["state"],
        error=status.get("error"),
        recipe=config.recipe,
        order=config.order,
        recorded_data=record.dataset.name,
        given_data=dataset.spec.name,
        measured_data=measured.dataset.spec.name,
        stages=stages,
        weights=weights,
        modalities=_modalities(config, dataset, measured),
        words=_words(config, dataset, measured.dataset),
        measured=", ".join(sorted({f"{protocol.dataset}, split {protocol.split}" for protocol in protocols})),
        scores=tuple(describe_score(result, deciding) for result in found.values()),
        measuring_failed=failure,
        against=None if other is None else compare_runs(record, found, other, deciding),
    )


@dataclass(frozen=True)
class Measured:
    """What is measured: a data set, rows of its items, and what to call them."""

    dataset: Dataset
    items: np.ndarray
    where: str


def _measured(config: ExperimentConfig, data: Dataset, split: str | None, results: Results) -> Measured:
    """Return the items behind the results, or those of the split where there are none."""
    first = next(iter(results.values()), None)
    rows = np.zeros(0, np.int64) if first is None else np.unique(first.query_items)
    if first is not None and first.protocol.dataset == data.spec.name and rows.max(initial=0) < len(data):
        return Measured(data, rows, f"{data.spec.name}, {first.protocol.split}")
    chosen = split or config.evaluation.split
    return Measured(data, data.split(chosen), f"{data.spec.name}, {chosen}")


def _results(
    directory: RunDirectory,
    config: ExperimentConfig,
    weights: WeightFacts | None,
    results: Results | None,
    data: Dataset,
    evaluated_on: Dataset | None,
    split: str | None,
) -> tuple[Results, str]:
    """Return results, and why there are none: those given, those measured now, or those of the run."""
    if results is not None:
        return results, ""
    chosen = split or config.evaluation.split
    if evaluated_on is None and split is None:
        return read_results(directory, chosen), ""
    if weights is None:
        raise RunError(
            f"{directory.path} has no finished model to measure (it is {directory.status()['state']}); finish it with "
            "`trichord train`, or diagnose it without naming data or a split to measure on"
        )
    with torch.random.fork_rng(devices=[]):
        model = build_model(config, None)
    tensors, note = load_tensors(directory.model_file)
    load_state(model, tensors)
    bank = AdapterBank(model, note["hash"])
    for name in config.adapters:
        bank.load(directory.adapter_folder(name), name)
    measured, found = config.evaluation, dict[str, RetrievalResult]()
    try:
        for adapter, tasks in group_tasks(config, config.tasks).items():
            with bank.using(adapter):
                found |= evaluate(model, data, chosen, tasks, measured.scoring, batch_size=measured.batch_size)
        return found, ""
    except ProtocolError as error:  # vectors that are zero or not finite: that is what is to be explained
        return {}, str(error)


def _modalities(config: ExperimentConfig, dataset: Dataset, measured: Measured) -> tuple[ModalityFacts, ...]:
    found, learnt = [], dataset.split(*config.fit_splits)
    held = {entry.modality.name: entry.dim for entry in measured.dataset.spec.modalities}
    for name, encoder in config.model.encoders.items():
        header = dataset.stored(name).header
        if header.kind == "words":
            continue
        blocks = recorded_blocks(dataset, header)
        where = f"{dataset.spec.name}, {'+'.join(config.fit_splits)}"
        trained = sample_features(dataset, name, learnt, where, blocks)
        if trained is None:
            continue
        there = None
        if held.get(name) == header.dim:
            there = sample_features(measured.dataset, name, measured.items, measured.where, blocks)
        found.append(
            ModalityFacts(
                modality=name,
                kind=header.kind,
                log_mel=isinstance(encoder, AudioEncoderConfig),
                standardized=isinstance(encoder, PooledEncoderConfig) and encoder.standardize,
                trained=trained,
                evaluated=there,
            )
        )
    return tuple(found)


def _words(config: ExperimentConfig, dataset: Dataset, measured: Dataset) -> tuple[WordFacts, ...]:
    def of(data: Dataset) -> Mapping[str, CoverageFacts]:
        held = {entry.modality.name: entry.words for entry in data.spec.modalities if entry.words is not None}
        left_out = sum("no word of the caption is known" in entry.reason for entry in read_quarantine(data.path))
        return {
            name: CoverageFacts(
                data.spec.name, words.tokens, words.known, int(data.instances(name).count.sum()), left_out
            )
            for name, words in held.items()
        }

    here, there = of(dataset), of(measured) if measured is not dataset else {}
    return tuple(WordFacts(name, here[name], there.get(name)) for name in config.model.encoders if name in here)

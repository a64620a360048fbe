"""Measured results as facts, and the comparison with another run of the same recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trichord.config import difference
from trichord.diagnosis.score_facts import AgainstFacts, ComparedTask, ScoreFacts
from trichord.errors import ProtocolError
from trichord.evaluation.compare import compare_results
from trichord.evaluation.protocol import require_same
from trichord.evaluation.result import RetrievalResult, load_result
from trichord.files import read_json
from trichord.metrics.bootstrap import holm
from trichord.metrics.retrieval import RECALL_DEPTHS
from trichord.runs.directory import RunDirectory, RunRecord

Results = Mapping[str, RetrievalResult]


def read_results(directory: RunDirectory, split: str) -> dict[str, RetrievalResult]:
    """Read what a run measured on a split; nothing where it measured nothing there."""
    folder = directory.results_folder(split)
    return {name: load_result(folder, name) for name in (str(read_json(path)["task"]) for path in _files(folder))}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def describe_score(result: RetrievalResult, deciding: str) -> ScoreFacts:
    """Set a result beside chance, at the greatest depth at which chance stays below 50 %.

    Args:
        result: the result.
        deciding: metric that epochs are chosen by.
    """
    depths = [k for k in sorted(RECALL_DEPTHS, reverse=True) if result.chance[f"R@{k}"] < 50.0]
    metric = f"R@{depths[0] if depths else 1}"
    found = result.metrics[metric]
    return ScoreFacts(
        task=result.task,
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        chance=result.chance[metric],
        num_queries=result.num_queries,
        collapsed=next((flag for flag in result.flags if flag.startswith("collapsed")), ""),
        deciding=result.metrics[deciding].value,
        deciding_chance=result.chance[deciding],
    )


def compare_runs(record: RunRecord, results: Results, other: RunDirectory, deciding: str) -> AgainstFacts:
    """Set a run beside another: settings that differ, and scores where the protocol is the same.

    Args:
        record: the run.
        results: what it scored.
        other: the other run's folder.
        deciding: metric that epochs are chosen by; the paired comparison is on it.
    """
    there = other.record()
    settings = {path: pair for path, pair in difference(record.config, there.config).items() if path != "seed"}
    if record.dataset.fingerprint != there.dataset.fingerprint:
        settings["dataset"] = (record.dataset.name, there.dataset.name)
    theirs = read_results(other, there.config.evaluation.split)
    shared = [task for task in results if task in theirs]
    reason = "" if shared else "the two runs have no measured task in common"
    compared = []
    for task in shared:
        try:
            require_same(results[task].protocol, theirs[task].protocol)
        except ProtocolError as error:
            reason = str(error)
            continue
        found = compare_results([results[task]], [theirs[task]], deciding)
        here, beside = (side[task].metrics[deciding].value for side in (results, theirs))
        compared.append((task, here, beside, found))
    adjusted = holm([found.p_value for _, _, _, found in compared])
    tasks = tuple(
        ComparedTask(task, deciding, here, beside, found.low, found.high, p)
        for (task, here, beside, found), p in zip(compared, adjusted, strict=True)
    )
    return AgainstFacts(str(other.path), settings, tasks, "" if tasks else reason)

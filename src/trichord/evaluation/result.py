"""The record of one evaluated task: numbers with intervals, what chance scores, flags, and every query's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trichord.errors import DataError, ProtocolError, nearest
from trichord.evaluation.protocol import Protocol, protocol_from_dict
from trichord.evaluation.stored_arrays import load_arrays, save_arrays
from trichord.files import read_json, write_json
from trichord.metrics.bootstrap import Estimate
from trichord.metrics.retrieval import METRICS, RECALL_DEPTHS, QueryScores
from trichord.shapes import Int

VERSION = 1
MEAN_METRICS = tuple(name for name in METRICS if name != "MedR")
_ARRAYS = ("query_items", "query_instances", "rank", "reciprocal_rank", *(f"recall_at_{k}" for k in RECALL_DEPTHS))


@dataclass(frozen=True)
class RetrievalResult:
    """One task scored on one set of items.

    Args:
        protocol: how it was measured.
        metrics: name -> value and 95 % interval; recalls in percent, ranks from 1, MRR in [0, 1].
        chance: name -> what random ranking scores under the same protocol.
        flags: warnings in words: collapsed embeddings, a score at chance level.
        num_missing: queries that count as misses because their query or gallery side is missing.
        query_items: (queries,) row in the data set of each query's item.
        query_instances: (queries,) which instance of the item it is, from 0.
        scores: one value per query.
    """

    protocol: Protocol
    metrics: Mapping[str, Estimate]
    chance: Mapping[str, float]
    flags: tuple[str, ...]
    num_missing: int
    query_items: Int[np.ndarray, " queries"]
    query_instances: Int[np.ndarray, " queries"]
    scores: QueryScores

    def __post_init__(self) -> None:
        for name, estimate in self.metrics.items():
            lowest, highest = _range(name)
            numbers = (estimate.low, estimate.value, estimate.high)
            if not all(lowest <= number <= highest + 1e-9 for number in numbers):
                raise ProtocolError(
                    f"{self.task}: {name} lies in [{lowest:g}, {highest:g}], got {estimate.value} "
                    f"[{estimate.low}, {estimate.high}]; the evaluation is at fault"
                )

    @property
    def task(self) -> str:
        """Spelling of the task, "T>VA"."""
        return self.protocol.task

    @property
    def num_queries(self) -> int:
        """Number of queries, those that count as misses included."""
        return len(self.query_items)

    def per_query(self, metric: str) -> np.ndarray:
        """Return (queries,) the values whose mean is the metric (recalls in percent).

        Raises:
            ProtocolError: the metric is unknown, or no mean over queries (the median rank).
        """
        if metric not in MEAN_METRICS:
            raise ProtocolError(
                f"{metric!r} is no mean over queries, so it has no value per query; {nearest(metric, MEAN_METRICS)}"
            )
        if metric == "MeanR":
            return self.scores.rank
        return self.scores.reciprocal_rank if metric == "MRR" else 100.0 * self.scores.recall[int(metric[2:])]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the values per query as plain data."""
        return {
            "version": VERSION,
            "task": self.task,
            "protocol": self.protocol.to_dict(),
            "metrics": {name: asdict(estimate) for name, estimate in self.metrics.items()},
            "chance": dict(self.chance),
            "flags": list(self.flags),
            "num_queries": self.num_queries,
            "num_missing": self.num_missing,
        }

    def save(self, folder: str | Path) -> Path:
        """Write TASK.json and TASK.npz (values per query) into a folder; return the path of the JSON file."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            "query_items": self.query_items,
            "query_instances": self.query_instances,
            "rank": self.scores.rank,
            "reciprocal_rank": self.scores.reciprocal_rank,
            **{f"recall_at_{k}": values for k, values in self.scores.recall.items()},
        }
        save_arrays(folder / f"{file_stem(self.task)}.npz", arrays)
        write_json(folder / f"{file_stem(self.task)}.json", self.to_dict())
        return folder / f"{file_stem(self.task)}.json"


def file_stem(task: str) -> str:
    """Return a task's file name without ending: "T>VA" -> "T_to_VA"."""
    return task.replace(">", "_to_")


def load_result(folder: str | Path, task: str) -> RetrievalResult:
    """Read what `RetrievalResult.save` wrote; nothing is unpickled.

    Raises:
        DataError: a file is missing or malformed.
        ProtocolError: the result is of another version, or its protocol does not fit its fingerprint.
    """
    path = Path(folder) / f"{file_stem(task)}.json"
    data = read_json(path)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        found = data.get("version") if isinstance(data, dict) else None
        raise ProtocolError(f"{path}: results have the version {VERSION}, found {found!r}; evaluate again")
    arrays = _read_arrays(path.with_suffix(".npz"))
    recall = {k: arrays[f"recall_at_{k}"] for k in RECALL_DEPTHS}
    try:
        result = RetrievalResult(
            protocol=protocol_from_dict(data["protocol"]),
            metrics={name: Estimate(**estimate) for name, estimate in data["metrics"].items()},
            chance=data["chance"],
            flags=tuple(data["flags"]),
            num_missing=data["num_missing"],
            query_items=arrays["query_items"],
            query_instances=arrays["query_instances"],
            scores=QueryScores(arrays["rank"], recall, arrays["reciprocal_rank"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"not a result ({error!r})", file=path, remedy="evaluate again") from error
    if result.num_queries != data.get("num_queries"):
        raise DataError(
            f"the JSON counts {data.get('num_queries')} queries, the arrays beside it {result.num_queries}",
            file=path,
            remedy="the two files are of different evaluations; evaluate again",
        )
    return result


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    arrays = load_arrays(path, _ARRAYS, "a result")
    if len({values.shape for values in arrays.values()}) != 1:
        raise DataError("the arrays differ in length", file=path, remedy="evaluate again")
    return arrays


def _range(metric: str) -> tuple[float, float]:
    if metric.startswith("R@"):
        return 0.0, 100.0
    return (0.0, 1.0) if metric == "MRR" else (1.0, float("inf"))

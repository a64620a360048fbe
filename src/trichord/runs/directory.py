"""The run folder, which explains itself.

| file | content |
|---|---|
| config.json | version, full configuration, what differs from the recipe, data set name, path and fingerprint |
| environment.json | packages, Python, commit, hardware, threads, precision |
| status.json | state (running, finished, failed, interrupted), stages with hashes and verdicts, message |
| metrics.jsonl | one line per logged step and per validation |
| checkpoint.safetensors | exact training state while the run is not finished |
| cache/ | outputs of trunks in which a stage learns nothing, while the run is not finished |
| model.safetensors | the finished model; where one adapter alone learnt, its files (`adapters.saved`) instead |
| adapters/NAME/ | adapters that were learnt together with the model |
| results/SPLIT/ | one result per task, with its per-query values |
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import trichord
from trichord.config import Config, difference, from_dict
from trichord.errors import DataError, RunError
from trichord.files import read_json, write_json, write_text
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.kinds import FolderKind, describe_study, kind_of

RUN_FORMAT = 2
C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class DatasetIdentity:
    """Which data a run used: name, where they lay, and the fingerprint of their content."""

    name: str
    path: str
    fingerprint: str


@dataclass(frozen=True)
class DirectoryRecord(Generic[C]):
    """What config.json holds.

    Args:
        config: the experiment.
        changes: dotted path -> [value of the recipe, value of this run], for every field that was overridden.
        dataset: the data.
    """

    config: C
    changes: dict[str, tuple[Any, Any]]
    dataset: DatasetIdentity


RunRecord = DirectoryRecord[ExperimentConfig]


class Directory(Generic[C]):
    """A folder of something trained: where its files lie, and reading and writing them.

    A subclass says of what kind the experiment is.

    Args:
        path: the folder; it need not exist yet.
    """

    holds: ClassVar[type[Config]]
    """Kind of its experiment."""
    kind: ClassVar[str]
    """What such a folder is called in messages."""
    made_by: ClassVar[str]
    """The command that makes it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.environment_file = self.path / "environment.json"
        self.status_file = self.path / "status.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.checkpoint_file = self.path / "checkpoint.safetensors"
        self.cache_folder = self.path / "cache"
        self.tensorboard_folder = self.path / "tensorboard"

    @property
    def exists(self) -> bool:
        """Whether something was begun here."""
        return self.config_file.exists()

    def begin(self, record: DirectoryRecord[C]) -> None:
        """Write config.json for a new run, or check that the run begun here is the same one.

        Raises:
            RunError: the folder holds another experiment, other data, another format, or files that are not a run's.
        """
        if not self.exists:
            if self.path.exists() and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
                raise RunError(f"{self.path} is not empty and holds no {self.kind}; choose another folder")
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(
                self.config_file,
                {
                    "run_format": RUN_FORMAT,
                    "trichord": trichord.__version__,
                    "config": record.config.to_dict(),
                    "changes": record.changes,
                    "dataset": vars(record.dataset),
                },
            )
            return
        self.check_same(record.config, record.dataset)

    def check_same(self, config: C, dataset: DatasetIdentity) -> None:
        """Raise `RunError` unless the run that was begun here is this experiment on these data."""
        other = self._other_kind(read_json(self.config_file)) if self.exists else None
        if other is not None:
            raise RunError(f"{self.path} holds a {other.called}, not a {self.kind}; choose another --out")
        there = self.record()
        unlike = self.differences(there.config, config)
        if unlike:
            shown = "; ".join(f"{path}: {a!r} there, {b!r} here" for path, (a, b) in list(unlike.items())[:5])
            raise RunError(
                f"{self.path} holds another experiment ({shown}); choose another --out, or repeat its settings"
            )
        if there.dataset.fingerprint != dataset.fingerprint:
            raise RunError(
                f"{self.path} was begun on data {there.dataset.name!r} with fingerprint {there.dataset.fingerprint}, "
                f"these have {dataset.fingerprint}; choose another --out, or restore the data"
            )

    def differences(self, there: C, here: C) -> dict[str, tuple[Any, Any]]:
        """Return dotted path -> [value there, value here] of what makes two experiments other ones."""
        return difference(there, here)

    def record(self) -> DirectoryRecord[C]:
        """Read config.json. Raises `RunError` when there is none, of another kind or of another format."""
        if not self.exists:
            raise RunError(
                describe_study(self.path, self.kind)
                or f"{self.path} is not a {self.kind} folder (it has no config.json); name a folder made by "
                f"`{self.made_by}`"
            )
        data = read_json(self.config_file)
        other = self._other_kind(data)
        if other is not None:
            raise RunError(f"{self.path} is a {other.called}: {other.advice}")
        if not isinstance(data, dict) or data.get("run_format") != RUN_FORMAT:
            found = data.get("run_format") if isinstance(data, dict) else None
            raise RunError(
                f"{self.path} has run format {found!r} (written by trichord {data.get('trichord') if found else '?'}); "
                f"this trichord, {trichord.__version__}, reads format {RUN_FORMAT}. Use the version that wrote it"
            )
        config = from_dict(data["config"])
        if not isinstance(config, self.holds):
            raise RunError(
                f"{self.path} is not a {self.kind} folder: it holds a {type(config).__name__}; name a folder made by "
                f"`{self.made_by}`"
            )
        changes = {path: (a, b) for path, (a, b) in data["changes"].items()}
        return DirectoryRecord(cast(C, config), changes, DatasetIdentity(**data["dataset"]))

    def _other_kind(self, data: Any) -> FolderKind | None:
        """Return what config.json makes the folder, where that is a known kind and not this one."""
        found = kind_of(data)
        return None if found is None or found.called == self.kind else found

    def status(self) -> dict[str, Any]:
        """Read status.json; {"state": "new"} when nothing was begun. Raises `RunError` when it says nothing of that."""
        if not self.status_file.exists():
            return {"state": "new"}
        try:
            found, why = read_json(self.status_file), "it does not say how far the work is"
        except DataError as error:
            found, why = None, error.rule
        if not isinstance(found, dict) or "state" not in found:
            raise RunError(
                f"{self.status_file}: {why}; restore the file, or remove {self.path} and make it again with "
                f"`{self.made_by}`"
            )
        return found

    def write_status(self, **changes: Any) -> None:
        """Update fields of status.json."""
        write_json(self.status_file, {**self.status(), **changes})

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.status()["state"] == "finished")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process. Raises `RunError` when another process trains here, or it can be none."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            blocking = next((place for place in (self.path, *self.path.parents) if place.is_file()), self.path)
            raise RunError(f"{self.path} cannot be a folder: {blocking} is a file; choose another --out") from error
        with open(self.path / ".lock", "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"another process is working in {self.path}; wait for it or stop it") from error
            yield

    def append_metrics(self, **values: Any) -> None:
        """Append one line to metrics.jsonl."""
        with open(self.metrics_file, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(values, allow_nan=False) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Read metrics.jsonl; a last line cut short by a kill is left out."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def forget_metrics(self, stage: int, epoch: int, step: int) -> None:
        """Drop lines of steps and validations that will be taken again: those at or after a position.

        A step line says which step it took; a validation line, written after its epoch, says how many epochs were done.
        """

        def is_past(line: dict[str, Any]) -> bool:
            if line["kind"] == "step":
                return (line["stage"], line["epoch"], line["step"]) < (stage, epoch, step)
            return (line["stage"], line["epoch"]) <= (stage, epoch)

        kept = [json.dumps(line) for line in self.metrics() if is_past(line)]
        write_text(self.metrics_file, "".join(line + "\n" for line in kept))


class RunDirectory(Directory[ExperimentConfig]):
    """A run folder."""

    holds = ExperimentConfig
    kind = "run"
    made_by = "trichord train"

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.model_file = self.path / "model.safetensors"

    def results_folder(self, split: str) -> Path:
        """Results on a split."""
        return self.path / "results" / split

    def adapter_folder(self, name: str) -> Path:
        """An adapter that was learnt together with the model."""
        return self.path / "adapters" / name

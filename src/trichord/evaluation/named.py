"""A named protocol: what a number of that name was measured on and how, so that two numbers of one name mean one thing.

There are three kinds: retrieval of clips (`benchmark`), retrieval of whole videos (`whole_video_benchmark`) and step
localisation (`step_benchmark`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, ProtocolError, nearest
from trichord.files import hash_json

Regime = Literal["zero-shot", "fine-tuned", "from scratch"]
REGIMES: Mapping[Regime, str] = {
    "zero-shot": "trained on other data only",
    "fine-tuned": "trained on other data, then on the training clips of these",
    "from scratch": "trained on the training clips of these data only",
}


@dataclass(frozen=True, kw_only=True)
class NamedProtocol(ABC):
    """What every kind of named protocol has.

    Args:
        name: the name.
        dataset: name of the data set, as its importer gives it.
        tasks: spelled tasks.
        training: the training list that goes with it; another one is another protocol.
        description: where it comes from, for people.
    """

    name: str
    dataset: str
    tasks: tuple[str, ...] = ("T>V", "T>A", "T>VA")
    training: str = ""
    description: str = ""

    @property
    @abstractmethod
    def counted(self) -> str:
        """What is counted, in words."""

    @property
    @abstractmethod
    def misses(self) -> str:
        """What counts as a miss, in words."""

    def fingerprint(self) -> str:
        """Return a hash of what decides a number; the description does not."""
        return hash_json({k: v for k, v in asdict(self).items() if k != "description"})

    def identify(self, task: str, regime: Regime) -> str:
        """Return the hash of one number's protocol: the benchmark, which sides, and what was learnt from before."""
        self.check_tasks((task,))
        return hash_json({"benchmark": self.fingerprint(), "task": task, "regime": regime})

    def check_tasks(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Return the tasks; raise `ConfigError` with the nearest one where this protocol has no such task."""
        for task in tasks:
            if task not in self.tasks:
                raise ConfigError(f"the benchmark {self.name} has no task {task!r}; {nearest(task, self.tasks)}")
        return tuple(tasks)

    def tasks_of(self, letters: Collection[str]) -> tuple[str, ...]:
        """Return its tasks that are spelled with some letters of modalities; raise `ConfigError` if there are none."""
        found = tuple(task for task in self.tasks if set(task) - {">"} <= set(letters))
        if not found:
            raise ConfigError(
                f"the benchmark {self.name} has the tasks {', '.join(self.tasks)}, and none of them is made of "
                f"{', '.join(sorted(letters)) or 'nothing'} alone; take data and a model that have both sides"
            )
        return found

    def require(self, dataset: Dataset) -> None:
        """Raise `ProtocolError` where the data set is another one."""
        if dataset.spec.name != self.dataset:
            raise ProtocolError(
                f"the benchmark {self.name} is measured on {self.dataset!r}, these data are {dataset.spec.name!r}; "
                "choose a benchmark of theirs, or import the right files"
            )

    def with_deviations(self, deviations: Sequence[str]) -> str:
        """Return the name that numbers bear: that of the protocol, and how the data deviate from it."""
        return self.name if not deviations else f"{self.name} (deviating: {'; '.join(deviations)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, what is counted, what counts as a miss, and the fingerprint as plain data."""
        words = {"counted": self.counted, "misses": self.misses, "fingerprint": self.fingerprint()}
        return {**asdict(self), "tasks": list(self.tasks), **words}

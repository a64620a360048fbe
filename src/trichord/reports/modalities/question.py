"""What is asked: a task with several modalities on one side, and whether all but the first of them help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trichord.errors import ConfigError
from trichord.modality import Modality, Task, spell, spell_task


@dataclass(frozen=True)
class Question:
    """Do further modalities help, beside the first, on one side of a task?

    Args:
        task: the task; one of its sides has several modalities, the other has one.
        known: the modalities of the data, in their order; the first of them on the side of several is what the others
            are added to (video, where there is video).

    Raises:
        ConfigError: both sides have one modality, or both have several.
    """

    task: Task
    known: tuple[Modality, ...]

    def __post_init__(self) -> None:
        wide = sum(len(side) > 1 for side in (self.task.query, self.task.gallery))
        if wide != 1:
            held = "one modality on either side" if wide == 0 else "several modalities on both sides"
            raise ConfigError(
                f"the task {self.spelling} has {held}, so nothing is added to anything; name a task with several on "
                "one side, like T>VA or VA>T"
            )

    @property
    def spelling(self) -> str:
        """The task, spelled."""
        return spell_task(self.task, self.known)

    @property
    def several(self) -> tuple[str, ...]:
        """Names of the modalities of the side of several, in the order of the data."""
        side = self.task.query if len(self.task.query) > 1 else self.task.gallery
        return tuple(modality.name for modality in self.known if modality.name in side)

    @property
    def first(self) -> str:
        """What is added to."""
        return self.several[0]

    @property
    def added(self) -> tuple[str, ...]:
        """What is added."""
        return self.several[1:]

    @property
    def other(self) -> tuple[str, ...]:
        """The side of one modality."""
        return self.task.gallery if len(self.task.query) > 1 else self.task.query

    def part(self, names: tuple[str, ...]) -> Task:
        """Return the task with these of its several modalities only: T>V of T>VA."""
        return Task(names, self.task.gallery) if len(self.task.query) > 1 else Task(self.task.query, names)

    def letters(self, names: Sequence[str]) -> str:
        """Spell modalities with a plus between them: V+A."""
        return "+".join(spell(names, self.known))

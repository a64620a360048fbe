"""An experiment: everything that decides what is trained and how it is measured, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trichord.adapters.settings import BASE, AdapterConfig
from trichord.config import Config
from trichord.encoders import JointEncoderConfig
from trichord.errors import ConfigError
from trichord.evaluation import EvaluationConfig
from trichord.modality import Modality, Task, all_tasks, check_distinct, parse_task, spell_task
from trichord.training.engine import Precision
from trichord.training.stage import StageConfig


@dataclass(frozen=True, kw_only=True)
class MeasurementConfig(Config):
    """How the finished model is measured.

    Args:
        split: split whose items are queries and gallery.
        tasks: spelled tasks such as "T>VA"; empty means every any-to-any task of the experiment's modalities.
        batch_size: instances encoded at once; it does not change the numbers.
        scoring: captions, similarity and fusion, which become part of the protocol.
    """

    split: str = "test"
    tasks: tuple[str, ...] = ()
    batch_size: int = 1024
    scoring: EvaluationConfig = EvaluationConfig()


@dataclass(frozen=True, kw_only=True)
class SelectionConfig(Config):
    """How the best epoch is found; never on the split that is reported.

    Args:
        split: validation split; None keeps every stage's last weights.
        tasks: spelled tasks averaged for the decision. A stage that lacks the modalities of all of them (always, where
            none is named) is decided by every task among its own.
        metric: "MRR" (mean reciprocal rank, smooth on small splits) or a recall such as "R@10".
    """

    split: str | None = "val"
    tasks: tuple[str, ...] = ()
    metric: Literal["MRR", "R@1", "R@5", "R@10"] = "MRR"


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig(Config):
    """One training run from data to numbers.

    Args:
        recipe: name of the recipe this came from.
        order: spelled order, "AV_T".
        seed: seed of everything random.
        letters: modality name -> its letter, in the order of the data set.
        model: the joint encoder.
        stages: stages in the order they run.
        fit_splits: splits learnt from.
        selection: how the best epoch is found.
        evaluation: how the result is measured.
        precision: numbers used in matrix products; "auto" is bfloat16 on a GPU that has it and float32 elsewhere.
        initial: hash of the weights that training starts from; None starts from random ones.
        adapters: name -> an adapter that some stage learns.
    """

    recipe: str
    order: str
    seed: int = 0
    letters: dict[str, str]
    model: JointEncoderConfig
    stages: tuple[StageConfig, ...]
    fit_splits: tuple[str, ...] = ("train",)
    selection: SelectionConfig = SelectionConfig()
    evaluation: MeasurementConfig = MeasurementConfig()
    precision: Precision = "auto"
    initial: str | None = None
    adapters: dict[str, AdapterConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = self.modalities
        if not self.stages:
            raise ConfigError("an experiment needs at least one stage")
        for number, stage in enumerate(self.stages):
            strangers = set(stage.modalities) - set(self.model.encoders)
            if strangers:
                raise ConfigError(f"stage {number} encodes {sorted(strangers)}, which the model has no encoder for")
            self._check_adapters(number, stage)
        idle = set(self.adapters) - {name for stage in self.stages for name in stage.adapters}
        if idle:
            raise ConfigError(f"no stage learns the adapters {sorted(idle)}")
        if not self.trains_base and self.initial is None:
            raise ConfigError("adapters alone learn over a base that was trained: name its weights in initial")
        if set(self.model.encoders) != set(self.letters):
            raise ConfigError(f"encoders {sorted(self.model.encoders)} and letters {sorted(self.letters)} must agree")
        if self.selection.split is not None and self.selection.split == self.evaluation.split:
            raise ConfigError(f"split {self.evaluation.split!r} would both choose the epoch and be reported")
        for split in self.fit_splits:
            if split in (self.selection.split, self.evaluation.split):
                raise ConfigError(f"split {split!r} would be learnt from and measured on; measure on unseen items")
        for spelling in (*self.evaluation.tasks, *self.selection.tasks):
            parse_task(spelling, known)
        if not self.trains_base:
            self._check_own_tasks()

    def _check_own_tasks(self) -> None:
        """Raise `ConfigError` where adapters alone learn and a task would be measured on the base, which does not."""
        chosen = () if self.selection.split is None else [t for stage in self.stages for t in self.stage_tasks(stage)]
        for spelling in (*self.tasks, *chosen):
            if self.own_adapter(parse_task(spelling, self.modalities)) is None:
                raise ConfigError(
                    f"no adapter is of the pair of task {spelling}, so the base would be measured, which does not "
                    f"learn; in evaluation.tasks and selection.tasks name tasks of {', '.join(self.adapters)}"
                )

    def _check_adapters(self, number: int, stage: StageConfig) -> None:
        for name in stage.adapters:
            if name == BASE or name not in self.adapters:
                raise ConfigError(f"stage {number} learns the adapter {name!r}, which the experiment does not describe")
            strangers = set(self.adapters[name].modalities) - set(stage.modalities)
            if strangers:
                raise ConfigError(f"stage {number} does not encode {sorted(strangers)}, which the adapter {name} needs")

    @property
    def trains_base(self) -> bool:
        """Whether any weight of the base learns; if not, only adapters do."""
        return any(stage.train for stage in self.stages)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities of the experiment."""
        return check_distinct([Modality(name, letter) for name, letter in self.letters.items()])

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks reported, spelled."""
        every = tuple(spell_task(task, self.modalities) for task in all_tasks(self.modalities))
        return self.evaluation.tasks or every

    def own_adapter(self, task: Task) -> str | None:
        """Return the adapter whose pair are the two sides of a task, in whatever order; None where there is none."""
        sides = {frozenset(task.query), frozenset(task.gallery)}
        for name, adapter in self.adapters.items():
            if {frozenset(adapter.left), frozenset(adapter.right)} == sides:
                return name
        return None

    def spell(self, task: Task) -> str:
        """Spell a task in the letters of the experiment."""
        return spell_task(task, self.modalities)

    def stage_tasks(self, stage: StageConfig) -> tuple[str, ...]:
        """The tasks that decide about a stage: those of `selection.tasks` among the modalities it encodes.

        Where there are none, all tasks among these modalities decide.
        """
        parsed = {spelling: parse_task(spelling, self.modalities) for spelling in self.selection.tasks}
        fitting = tuple(s for s, task in parsed.items() if {*task.query, *task.gallery} <= set(stage.modalities))
        present = [modality for modality in self.modalities if modality.name in stage.modalities]
        return fitting or tuple(spell_task(task, self.modalities) for task in all_tasks(present))

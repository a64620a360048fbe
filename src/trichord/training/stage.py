"""One stage of training: who is encoded, who learns, by which objective, for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.objectives import ObjectiveConfig
from trichord.training.optimization import OptimizerConfig


@runtime_checkable
class Learning(Protocol):
    """How something learns, and how long: what the loop and its hooks read of a stage, or of anything else."""

    @property
    def optimizer(self) -> OptimizerConfig:
        """How; the learning-rate schedule spans `epochs`."""

    @property
    def epochs(self) -> int:
        """Passes over the fitting splits that the schedule spans."""

    @property
    def last_epoch(self) -> int:
        """Number of the epoch after which it ends."""

    @property
    def evaluate_every(self) -> int:
        """Epochs between two validations; the last epoch is always validated."""

    @property
    def keep(self) -> Literal["best", "last"]:
        """Which weights are handed on."""


@dataclass(frozen=True, kw_only=True)
class StageConfig(Config):
    """One stage.

    Args:
        modalities: names of the modalities encoded.
        train: names of those whose encoders learn; the others are frozen, and that is verified by hash. None need to
            where adapters learn.
        objective: what is minimised on the vectors of the base; None where only vectors under adapters are looked at.
        adapters: name of an adapter -> what is minimised on the vectors of its pair when they pass through it. Its
            matrices learn, and so do the encoders in `train` that they pass.
        optimizer: how. The learning-rate schedule spans `epochs`.
        epochs: passes over the fitting split.
        stop_epoch: stop after this epoch although the schedule would go on; None runs all of them.
        batch_size: items of the global batch, over all processes together. An epoch is cut into batches whose sizes
            differ by one at most, so that no item is dropped and no batch is tiny.
        items_per_source: None: an epoch visits every item. A number n: an epoch visits every source video once and
            draws up to n of its clips anew, without replacement; a batch is batch_size / n sources, which must be a
            whole number, and holds fewer than batch_size items where sources have fewer than n clips. Published for
            MCN: 32, with a batch size of 4,096.
        evaluate_every: epochs between two validations; the last epoch is always validated.
        keep: which weights the stage hands on: "best" on validation, or "last".
    """

    modalities: tuple[str, ...]
    train: tuple[str, ...]
    objective: ObjectiveConfig | None
    adapters: dict[str, ObjectiveConfig] = field(default_factory=dict)
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: int = 30
    stop_epoch: int | None = None
    batch_size: int = 512
    items_per_source: int | None = None
    evaluate_every: int = 1
    keep: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.stop_epoch is not None and not 1 <= self.stop_epoch <= self.epochs:
            raise ConfigError(f"stop_epoch must lie between 1 and epochs ({self.epochs}), got {self.stop_epoch}")
        if self.items_per_source is not None and (self.items_per_source < 1 or self.batch_size % self.items_per_source):
            raise ConfigError(
                f"items_per_source must be at least 1 and divide batch_size ({self.batch_size}), which counts items, "
                f"got {self.items_per_source}"
            )
        strangers = set(self.train) - set(self.modalities)
        if strangers or not (self.train or self.adapters):
            raise ConfigError(f"a stage trains some of {self.modalities}, got train={self.train}")
        if self.objective is None and not self.adapters:
            raise ConfigError("a stage minimises something: an objective of the base, or one of an adapter")
        if self.objective is not None and not self.train:
            raise ConfigError("no encoder learns, so an objective on the vectors of the base has nothing to teach")

    @property
    def last_epoch(self) -> int:
        """Number of the epoch after which the stage ends."""
        return self.epochs if self.stop_epoch is None else self.stop_epoch

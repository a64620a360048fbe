"""A classifier to be trained: everything that decides its numbers, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trichord.adapters.settings import LowRankConfig
from trichord.classification.model import FusionClassifierConfig
from trichord.config import Config
from trichord.errors import ConfigError
from trichord.modality import Modality, check_distinct
from trichord.training.engine import Precision
from trichord.training.optimization import OptimizerConfig

Kind = Literal["expert", "joint", "mmlora", "head", "teacher"]


@dataclass(frozen=True, kw_only=True)
class LearningConfig(Config):
    """How a classifier learns.

    Args:
        optimizer: how. The learning-rate schedule spans `epochs`.
        head_ratio: the classifier on top learns so many times faster than the encoders and matrices below it.
        epochs: passes over the fitting splits.
        batch_size: items of the global batch, over all processes together.
        evaluate_every: epochs between two validations; the last epoch is always validated.
        keep: which weights are kept: "best" on validation, or "last".
        label_smoothing: share of the target that is spread evenly over all classes; of single labels only.
        distillation: weight of the distance to the teachers' vectors (UMT); 0 without teachers.
    """

    optimizer: OptimizerConfig = OptimizerConfig()
    head_ratio: float = 1.0
    epochs: int = 40
    batch_size: int = 64
    evaluate_every: int = 1
    keep: Literal["best", "last"] = "last"
    label_smoothing: float = 0.0
    distillation: float = 0.0

    @property
    def last_epoch(self) -> int:
        """Number of the epoch after which it ends: all of them are run."""
        return self.epochs

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing lies in [0, 1), got {self.label_smoothing}")
        if self.head_ratio <= 0 or self.distillation < 0:
            raise ConfigError(
                f"head_ratio is above 0 and distillation not below, got {self.head_ratio} and {self.distillation}"
            )


@dataclass(frozen=True, kw_only=True)
class ClassifierExperimentConfig(Config):
    """One classifier from data to numbers.

    An expert is a classifier of one modality. MMLoRA (Du et al. 2023, arXiv 2310.05193) starts from experts, whose
    encoders are frozen, and learns matrices in one or all of them and the head. Rank, places and rates of the paper
    are not known to us: every default is ours.

    Args:
        recipe: name of the recipe that the settings come from.
        kind: what it is: "expert" (one modality), "joint" (all encoders learn together), "mmlora" (frozen experts,
            matrices and head learn), "head" (frozen experts, the classifier on top learns alone), "teacher" (joint,
            and held near the vectors of frozen experts: UMT).
        label: the label column.
        several: whether an item may have several classes at once (multi-label).
        letters: modality name -> its letter, in the order of the data set.
        model: encoders, classes, fusion.
        train: modalities whose encoders learn as a whole.
        low_rank: modality -> matrices that learn in its encoder.
        starts: modality -> hash of the weights of the expert that its encoder starts from (and its head, where logits
            are summed); {} for random weights, or those that a backbone brings.
        teachers: modality -> hash of the weights of the expert whose vectors the encoder is held near.
        learning: how.
        seed: seed of everything random.
        fit_splits: splits learnt from.
        selection_split: split that settings, epochs and weights are chosen on; it must hold every class.
        report_split: split that is reported.
        encode_batch: items encoded at once while measuring; it does not change the numbers.
        precision: numbers used in matrix products.
    """

    recipe: str
    kind: Kind
    label: str
    several: bool = False
    letters: dict[str, str]
    model: FusionClassifierConfig
    train: tuple[str, ...]
    low_rank: dict[str, LowRankConfig] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    teachers: dict[str, str] = field(default_factory=dict)
    learning: LearningConfig = LearningConfig()
    seed: int = 0
    fit_splits: tuple[str, ...] = ("train",)
    selection_split: str = "val"
    report_split: str = "test"
    encode_batch: int = 1024
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        names = tuple(self.model.encoders)
        if names != tuple(name for name in self.letters if name in names):
            raise ConfigError(f"the encoders are those of {list(names)}; letters name {list(self.letters)}, in order")
        for said, field_name in (
            (self.train, "train"),
            (self.low_rank, "low_rank"),
            (self.starts, "starts"),
            (self.teachers, "teachers"),
        ):
            strangers = [name for name in said if name not in names]
            if strangers:
                raise ConfigError(f"{field_name} names {strangers}, for which the classifier has no encoder")
        both = sorted(set(self.train) & set(self.low_rank))
        if both:
            raise ConfigError(f"an encoder learns as a whole or by matrices, not both: {both}")
        if bool(self.teachers) != (self.learning.distillation > 0):
            raise ConfigError("teachers, and a distillation above 0, come together")
        if self.several and self.learning.label_smoothing:
            raise ConfigError("label_smoothing is for single labels")
        if len({*self.fit_splits, self.selection_split, self.report_split}) != len(self.fit_splits) + 2:
            raise ConfigError(
                f"learnt from {list(self.fit_splits)}, chosen on {self.selection_split!r}, reported on "
                f"{self.report_split!r}: a split serves one of these"
            )
        self._check_kind(names)

    @property
    def known(self) -> tuple[Modality, ...]:
        """The modalities, in the order of the data."""
        return check_distinct([Modality(name, self.letters[name]) for name in self.model.encoders])

    @property
    def still(self) -> tuple[str, ...]:
        """Modalities in whose encoders nothing learns."""
        return tuple(name for name in self.model.encoders if name not in {*self.train, *self.low_rank})

    @property
    def over_experts(self) -> bool:
        """Whether it stands on experts whose encoders are frozen."""
        return self.kind in ("mmlora", "head")

    def _check_kind(self, names: tuple[str, ...]) -> None:
        if self.kind == "expert" and (len(names) != 1 or self.starts or self.teachers):
            raise ConfigError(f"an expert knows one modality and starts from no other expert, got {list(names)}")
        if self.kind == "mmlora" and (set(self.starts) != set(names) or self.train or not self.low_rank):
            raise ConfigError(
                "MMLoRA starts from an expert of every modality, trains none of them as a whole, and has matrices in "
                f"one or more; got starts {sorted(self.starts)}, train {list(self.train)}, matrices in "
                f"{sorted(self.low_rank)}"
            )
        if self.kind == "head" and (set(self.starts) != set(names) or self.train or self.low_rank):
            raise ConfigError(
                "a classifier that learns alone stands on an expert of every modality and leaves them all as they are; "
                f"got starts {sorted(self.starts)}, train {list(self.train)}, matrices in {sorted(self.low_rank)}"
            )
        if self.kind == "teacher" and set(self.teachers) != set(names):
            raise ConfigError(f"every encoder has a teacher, got {sorted(self.teachers)} for {list(names)}")

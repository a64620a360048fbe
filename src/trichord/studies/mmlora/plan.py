"""What a study of MMLoRA trains: its methods, the settings that each chooses among, and the experts it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trichord.classification.experiment import ClassifierExperimentConfig, Kind
from trichord.errors import ConfigError
from trichord.recipes.classifier import (
    DISTILLATION,
    DISTILLATION_STEP,
    RATE_STEP,
    ClassifierRecipe,
    spread,
)
from trichord.reports.mmlora.record import Family

JOINT, UMT, ENSEMBLE, LORA_ENSEMBLE = "joint", "joint with teachers (UMT)", "ensemble", "ensemble of LoRA experts"
HEAD, PROBE_OF_ALL = "classifier alone", "linear probe on all"
OVER_LORA_EXPERTS = " over LoRA experts"
ALL_WORD = "all"
RANK, RATE, WEIGHT = "rank", "learning rate", "distillation"
"""Kinds of settings."""


def expert_name(modality: str) -> str:
    """Return what the expert of a modality is called."""
    return f"expert on {modality}"


def lora_expert_name(modality: str) -> str:
    """Return what an expert is called that learnt by matrices alone."""
    return f"LoRA expert on {modality}"


@dataclass(frozen=True)
class Setting:
    """One setting that a method may be given.

    Args:
        kind: `RANK`, `RATE`, `WEIGHT`, or "" where there is nothing to choose.
        value: of it.
    """

    kind: str = ""
    value: float = 0.0

    @property
    def words(self) -> str:
        """The setting in words: "rank 16"; "" where there is nothing to choose."""
        return f"{self.kind} {self.value:g}" if self.kind else ""


@dataclass(frozen=True)
class Method:
    """A method that is trained.

    Args:
        name: in the table.
        family: what it is reported as.
        kind: what is trained.
        modalities: what it looks at.
        adapted: modalities that have matrices.
        settings: what it is chosen from, ascending.
        experts: modality -> name of the method whose encoder it starts from, or is held near.
    """

    name: str
    family: Family
    kind: Kind
    modalities: tuple[str, ...]
    settings: tuple[Setting, ...] = (Setting(),)
    adapted: tuple[str, ...] = ()
    experts: Mapping[str, str] = field(default_factory=dict)

    def folder(self, setting: Setting, seed: int) -> str:
        """Return where a run of it lies, below the folder of the study."""
        place = "experts" if self.kind == "expert" else "runs"
        words = [self.name.replace("(", "").replace(")", ""), setting.words]
        return "/".join([place, *(word.replace(" ", "-") for word in words if word), f"seed-{seed}"])


def plan_methods(
    modalities: Sequence[str], ranks: Sequence[int], rate: float, second_rate: float, *, controls: bool = True
) -> tuple[Method, ...]:
    """Return the methods that are trained, in the order of the table; each comes after those it rests on.

    Each chooses among as many settings as there are ranks; experts that learn as a whole have one.

    Args:
        modalities: names, in the order of the data.
        ranks: ranks to try.
        rate: learning rate about which joint learning chooses.
        second_rate: learning rate of matrices, about which the classifier that learns alone chooses.
        controls: whether there are teachers, and experts that learnt by matrices alone.

    Raises:
        ConfigError: no modality or more than four, no rank, one below 1, or one twice.
    """
    names = tuple(modalities)
    if not 1 <= len(names) <= 4:
        raise ConfigError(f"a study of MMLoRA looks at one to four modalities, got {list(names)}")
    if not ranks or min(ranks) < 1 or len(set(ranks)) != len(ranks):
        raise ConfigError(f"ranks are at least 1, each named once, one or more; got {list(ranks)}")
    by_rank = tuple(Setting(RANK, float(rank)) for rank in sorted(ranks))
    several, number = len(names) > 1, len(by_rank)
    experts = {name: expert_name(name) for name in names}
    lora_experts = {name: lora_expert_name(name) for name in names}
    methods = [Method(experts[name], "expert", "expert", (name,)) for name in names]
    if controls:
        methods += [Method(lora_experts[name], "expert", "expert", (name,), by_rank, (name,)) for name in names]
    methods += [
        Method(mmlora_name(at, names), "mmlora", "mmlora", names, by_rank, at, experts) for at in _placements(names)
    ]
    if several:
        rates, second_rates = (
            tuple(Setting(RATE, one) for one in spread(centre, RATE_STEP, number)) for centre in (rate, second_rate)
        )
        methods.append(Method(HEAD, "head", "head", names, second_rates, (), experts))
        methods.append(Method(JOINT, "joint", "joint", names, rates))
    if several and controls:
        weights = tuple(Setting(WEIGHT, one) for one in spread(DISTILLATION, DISTILLATION_STEP, number))
        methods.append(Method(UMT, "teacher", "teacher", names, weights, (), experts))
        over = f"{mmlora_name(names, names)}{OVER_LORA_EXPERTS}"
        methods.append(Method(over, "mmlora", "mmlora", names, by_rank, names, lora_experts))
    return tuple(methods)


def mmlora_name(adapted: Sequence[str], modalities: Sequence[str]) -> str:
    """Return what MMLoRA is called with matrices in one modality or in all: "MMLoRA on all"."""
    at = adapted[0] if len(adapted) == 1 else ALL_WORD if len(adapted) == len(modalities) else " and ".join(adapted)
    return f"MMLoRA on {at}"


def _placements(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [*((name,) for name in names), *([names] if len(names) > 1 else [])]


def experiment(
    recipe: ClassifierRecipe, method: Method, setting: Setting, seed: int, hashes: Mapping[str, str]
) -> ClassifierExperimentConfig:
    """Return the experiment of a method with a setting and a seed.

    Args:
        recipe: what all share.
        method: the method.
        setting: one of its settings.
        seed: the seed.
        hashes: modality -> hash of the expert that it rests on; {} where it rests on none.
    """
    rank = int(setting.value)
    if method.kind == "expert":
        return recipe.expert(method.modalities[0], seed, rank if setting.kind == RANK else None)
    if method.kind == "head":
        return recipe.head(seed, setting.value, hashes)
    if method.kind == "joint":
        return recipe.joint(seed, setting.value)
    if method.kind == "teacher":
        return recipe.teacher(seed, setting.value, hashes)
    return recipe.mmlora(seed, rank, method.adapted, hashes)

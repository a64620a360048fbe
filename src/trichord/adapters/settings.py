"""What an adapter is made of: the pair it serves, the encoders it changes, and the shape of its matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.modality import Modality, Pair, spell_pair

BASE = "base"
"""The name of no adapter. It has to be said: a missing adapter never means the base."""

Initial = Literal["kaiming", "gaussian", "orthogonal", "olora", "pissa"]


@dataclass(frozen=True, kw_only=True)
class LowRankConfig(Config):
    """Low-rank matrices beside frozen weights: y = W x + s B A x (Hu et al. 2021, LoRA, section 4.1).

    A is (rank, inputs), B is (outputs, rank), and B starts from zero, so that an adapter that has not learnt is the
    base exactly.

    Args:
        rank: r.
        alpha: the scale is s = alpha / r.
        dropout: share of the inputs of A set to zero in training.
        targets: layers that get matrices: "linear", "linear and convolution", or a regular expression that must match
            the whole name of a layer in its encoder, such as "unit[.].*" for a gated unit alone.
        rank_stabilized: scale by alpha / sqrt(r) instead (rsLoRA, Kalajdzievski 2023).
        weight_decomposed: learn the length of an output's weights apart from their direction (DoRA, Liu et al. 2024).
        initial: how A starts. "kaiming" uniform and "gaussian" with B = 0; "orthogonal" with B A = 0 (an even rank);
            "pissa" (Meng et al. 2024) and "olora" (Buyukakyuz 2024) start A and B from the weights and take their
            product out of these for this adapter alone; what is saved then is an ordinary adapter of twice the rank
            for the weights as they were. The last three are for linear layers.
    """

    rank: int = 8
    alpha: float = 8.0
    dropout: float = 0.0
    targets: str = "linear"
    rank_stabilized: bool = False
    weight_decomposed: bool = False
    initial: Initial = "kaiming"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(
                f"the rank of an adapter is at least 1, got {self.rank}; without an adapter, say {BASE!r}"
            )
        if not (self.alpha > 0 and math.isfinite(self.alpha)):
            raise ConfigError(f"alpha scales what an adapter adds; it is finite and above 0, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"the dropout of an adapter lies in [0, 1), got {self.dropout}")
        if self.initial == "orthogonal" and self.rank % 2:
            raise ConfigError(f"an orthogonal start splits the rank in two halves: take an even one, not {self.rank}")
        if self.weight_decomposed and self.starts_from_weights:
            raise ConfigError(f"weight_decomposed (DoRA) and initial={self.initial!r} both take the weights apart")

    @property
    def starts_from_weights(self) -> bool:
        """Whether A and B start from the weights, and their product is taken out of these."""
        return self.initial in ("olora", "pissa")


@dataclass(frozen=True, kw_only=True)
class AdapterConfig(Config):
    """An adapter of one pair.

    Args:
        left, right: modality names of the sides it pulls together.
        sides: names of the modalities whose encoders it changes; some of left and right, or all of them. An adapter of
            the query's side alone leaves an index of the other side valid.
        low_rank: its matrices.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    sides: tuple[str, ...]
    low_rank: LowRankConfig = LowRankConfig()

    def __post_init__(self) -> None:
        Pair(self.left, self.right)
        if not self.sides or len(set(self.sides)) != len(self.sides) or set(self.sides) - set(self.modalities):
            raise ConfigError(
                f"an adapter changes some of {list(self.modalities)}, each once, at least one, got {list(self.sides)}"
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities of the pair."""
        return (*self.left, *self.right)

    @property
    def pair(self) -> Pair:
        """The pair it pulls together."""
        return Pair(self.left, self.right)


def ordered_pair(pair: Pair, known: tuple[Modality, ...]) -> Pair:
    """Return a pair in the order of the data, its smaller side first: VT and TV are one, T-VA and AV-T are."""
    spell_pair(pair, known)  # refuses modalities that are not there
    names = [modality.name for modality in known]
    sides = (tuple(name for name in names if name in side) for side in (pair.left, pair.right))
    return Pair(*sorted(sides, key=lambda side: (len(side), names.index(side[0]))))


def adapter_name(pair: Pair, known: tuple[Modality, ...]) -> str:
    """Name an adapter after its pair: "VT", "T-VA"; see `ordered_pair`."""
    ordered = ordered_pair(pair, known)
    spelled = spell_pair(ordered, known)
    return spelled.replace("-", "") if len(ordered.left) == len(ordered.right) == 1 else spelled

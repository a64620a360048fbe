"""Adapters made of others: exact concatenation, and merges of what they change, through PEFT."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank
from trichord.config import Config
from trichord.errors import ConfigError

Kind = Literal["concatenation", "sum", "ties", "dare"]
PEFT_KINDS: Mapping[str, str] = {
    "concatenation": "cat",
    "sum": "svd",
    "ties": "ties_svd",
    "dare": "dare_linear_svd",
}


@dataclass(frozen=True, kw_only=True)
class MixtureConfig(Config):
    """How adapters are mixed. Every way works on the changes s B A themselves, weighted.

    PEFT's "linear", "ties" and "dare_linear" work on A and B apart, where products of one adapter's A and another's B
    appear; they are not offered.

    Args:
        name: of the mixture.
        members: adapters it is made of, two or more.
        weights: factor on each member's change.
        kind: "concatenation": the weighted sum of the changes, exactly, its rank the sum of theirs. "sum": the same,
            cut to `rank` by a singular value decomposition. "ties" (Yadav et al. 2023): of every member the largest
            entries, a sign elected for each entry, the mean of those that agree; then cut to `rank`. "dare" (Yu et al.
            2023): entries dropped at random and the rest scaled up, summed; then cut to `rank`. The last three take a
            decomposition of every layer's full matrix: seconds for small layers, minutes for 6144 x 6144.
        rank: rank of the result; None: the largest of the members', or their sum for a concatenation.
        density: share of the entries kept by "ties" and "dare".
        seed: of what "dare" draws.
    """

    name: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    kind: Kind = "concatenation"
    rank: int | None = None
    density: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.members) < 2 or len(set(self.members)) != len(self.members):
            raise ConfigError(f"a mixture has two members or more, each once, got {list(self.members)}")
        if len(self.weights) != len(self.members) or not all(math.isfinite(weight) for weight in self.weights):
            raise ConfigError(f"give one finite weight for each of {list(self.members)}, got {list(self.weights)}")
        if not 0 < self.density <= 1:
            raise ConfigError(f"the density of a mixture lies in (0, 1], got {self.density}")
        if self.rank is not None and (self.kind == "concatenation" or self.rank < 1):
            raise ConfigError(
                f"a rank of at least 1 can be set for a sum, ties or dare, got {self.rank} for {self.kind}"
            )


def mix(low_rank: LowRank, mixture: MixtureConfig) -> None:
    """Attach a mixture of attached adapters.

    Raises:
        ConfigError: a member is not attached or cannot be mixed, or the name is taken.
    """
    if mixture.name in low_rank.names:
        raise ConfigError(f"the name {mixture.name!r} is taken; give the mixture another")
    options: dict[str, object] = {}
    if mixture.kind != "concatenation":
        options["svd_rank"] = mixture.rank
        # The thin decomposition holds the same leading vectors as the full one.
        options["svd_full_matrices"] = False
    if mixture.kind in ("ties", "dare"):
        options["density"] = mixture.density
    low_rank.combine(mixture.name, mixture.members, mixture.weights, PEFT_KINDS[mixture.kind], mixture.seed, **options)


def mixed_identity(mixture: MixtureConfig, members: Sequence[AdapterIdentity], weights: str) -> AdapterIdentity:
    """Return the identity of a mixture.

    Args:
        mixture: how it was made.
        members: identities of what it was made of, all over one base.
        weights: hash of its tensors and settings.
    """
    first = members[0]
    parts = ", ".join(f"{weight:g} x {member}" for member, weight in zip(mixture.members, mixture.weights, strict=True))
    return AdapterIdentity(
        name=mixture.name,
        left=(),
        right=(),
        sides=tuple(dict.fromkeys(side for member in members for side in member.sides)),
        base=first.base,
        weights=weights,
        preprocessing={side: settings for member in members for side, settings in member.preprocessing.items()},
        dataset=" and ".join(dict.fromkeys(member.dataset for member in members)),
        dataset_fingerprint=" and ".join(dict.fromkeys(member.dataset_fingerprint for member in members)),
        learnt=f"{mixture.kind} of {parts}",
    )

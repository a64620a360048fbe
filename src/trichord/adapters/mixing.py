"""Adapters made of others: exact concatenation, and merges of what they change.

PEFT's `add_weighted_adapter` is not used. Its "linear", "ties" and "dare_linear" work on A and B apart, where products
of one adapter's A and another's B appear; its ways on the changes themselves elect the signs of "ties" before the
weights are applied, know no one- and three-dimensional convolutions, and start the mixture as the first member started,
which would take the weights apart once more. For linear layers and weights above zero they agree with ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from trichord.adapters.identity import AND, AdapterIdentity
from trichord.adapters.lora import Factors, LowRank
from trichord.config import Config
from trichord.errors import ConfigError
from trichord.randomness import torch_generator
from trichord.shapes import Float, Tensor

Kind = Literal["concatenation", "sum", "ties", "dare"]


@dataclass(frozen=True, kw_only=True)
class MixtureConfig(Config):
    """How adapters are mixed. Every way works on the changes s B A themselves, weighted.

    Args:
        name: of the mixture.
        members: adapters it is made of, two or more.
        weights: factor on each member's change.
        kind: "concatenation": the weighted sum of the changes, exactly, its rank the sum of theirs. "sum": the same,
            cut to `rank` by a singular value decomposition. "ties" and "dare": see `merge_by_sign` and
            `merge_at_random`; then cut to `rank`, by a decomposition of every layer's full matrix: seconds for small
            layers, minutes for 6144 x 6144.
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
    """Attach a mixture of attached adapters; its scale is 1.

    Raises:
        ConfigError: a member is not attached or cannot be mixed, or the name is taken.
    """
    members = [low_rank.factors(member) for member in mixture.members]
    layers = sorted({layer for member in members for layer in member})
    rank = mixture.rank or max(len(change.right) for member in members for change in member.values())
    mixed: dict[str, Factors] = {}
    for number, layer in enumerate(layers):
        parts = [
            Factors(member[layer].left * weight, member[layer].right)
            for member, weight in zip(members, mixture.weights, strict=True)
            if layer in member
        ]
        joined = Factors(torch.cat([part.left for part in parts], dim=1), torch.cat([part.right for part in parts]))
        if mixture.kind == "concatenation":
            mixed[layer] = joined
        elif mixture.kind == "sum":
            mixed[layer] = cut_product(joined, rank)
        else:
            changes = torch.stack([part.left @ part.right for part in parts])
            if mixture.kind == "ties":
                merged = merge_by_sign(changes, mixture.density)
            else:
                merged = merge_at_random(changes, mixture.density, torch_generator(mixture.seed, "dare", number))
            mixed[layer] = cut(merged, rank)
    low_rank.attach_factors(mixture.name, mixed)


def merge_by_sign(changes: Float[Tensor, "members outputs inputs"], density: float) -> Float[Tensor, "outputs inputs"]:
    """TIES (Yadav et al. 2023, algorithm 1): trim, elect a sign for every entry, average what agrees with it.

    Differs from the paper in that the largest entries are chosen per layer, not over all weights at once, and that
    members may be weighted. A member whose changes are all zero has no vote. Where the sum of an entry is zero, no
    sign is elected and the entry is zero.

    Args:
        changes: weighted changes of one layer.
        density: share of the entries that each member keeps.
    """
    flat = changes.flatten(1)
    kept = max(1, round(density * flat.shape[1]))
    largest = flat.abs().topk(kept, dim=1).indices
    trimmed = torch.zeros_like(flat).scatter(1, largest, flat.gather(1, largest))
    elected = trimmed.sum(dim=0).sign()
    agree = (trimmed.sign() == elected) & (trimmed != 0)
    average = (trimmed * agree).sum(dim=0) / agree.sum(dim=0).clamp_min(1)
    return average.view_as(changes[0])


def merge_at_random(
    changes: Float[Tensor, "members outputs inputs"], density: float, generator: torch.Generator
) -> Float[Tensor, "outputs inputs"]:
    """DARE (Yu et al. 2023, equation 3) and a sum: entries are dropped at random, the rest divided by `density`.

    Args:
        changes: weighted changes of one layer.
        density: chance of an entry to be kept, for each member anew.
        generator: on the CPU, so that the draw is the same on every device.
    """
    kept = torch.rand(changes.shape, generator=generator) < density
    return (changes * kept.to(changes.device)).sum(dim=0) / density


def cut(change: Float[Tensor, "outputs inputs"], rank: int) -> Factors:
    """Return the change of at most `rank` that is nearest to a given one (Eckart and Young 1936)."""
    left, sizes, right = torch.linalg.svd(change, full_matrices=False)
    return Factors(left[:, :rank] * sizes[:rank], right[:rank])


def cut_product(change: Factors, rank: int) -> Factors:
    """Do what `cut` does to left @ right without ever forming it."""
    left, left_rest = torch.linalg.qr(change.left)
    right, right_rest = torch.linalg.qr(change.right.T)
    inner = cut(left_rest @ right_rest.T, rank)
    return Factors(left @ inner.left, inner.right @ right.T)


def mixed_identity(mixture: MixtureConfig, members: Sequence[AdapterIdentity], weights: str) -> AdapterIdentity:
    """Return the identity of a mixture.

    Args:
        mixture: how it was made.
        members: identities of what it was made of, all over one base.
        weights: hash of its tensors and settings.
    """
    first = members[0]
    selected = dict.fromkeys(member.selected_on for member in members if member.selected_on is not None)
    parts = ", ".join(f"{weight:g} x {member}" for member, weight in zip(mixture.members, mixture.weights, strict=True))
    return AdapterIdentity(
        name=mixture.name,
        left=(),
        right=(),
        sides=tuple(dict.fromkeys(side for member in members for side in member.sides)),
        base=first.base,
        weights=weights,
        preprocessing={side: settings for member in members for side, settings in member.preprocessing.items()},
        dataset=AND.join(dict.fromkeys(member.dataset for member in members)),
        dataset_fingerprint=AND.join(dict.fromkeys(member.dataset_fingerprint for member in members)),
        learnt=f"{mixture.kind} of {parts}",
        fit_splits=tuple(dict.fromkeys(split for member in members for split in member.fit_splits)),
        selected_on=AND.join(selected) or None,
    )

"""The whole objective of a stage: named parts, each with a weight."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trichord.batch import Embeddings
from trichord.config import Config
from trichord.errors import ConfigError
from trichord.objectives.contract import SetObjectiveConfig
from trichord.objectives.gramian import GramianConfig
from trichord.objectives.pairwise import PairwiseConfig
from trichord.objectives.terms import LossTerms
from trichord.shapes import Tensor


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(Config):
    """Configuration of `Objective`.

    Args:
        parts: name -> set objective; the name heads the names of its terms.
    """

    parts: dict[str, SetObjectiveConfig]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("an objective has at least one part, got none")
        for name in self.parts:
            # A ModuleDict cannot hold a name that is also one of its own attributes, such as "values".
            if not name.isidentifier() or hasattr(nn.ModuleDict(), name):
                raise ConfigError(f"{name!r} cannot name a part of an objective; use an identifier such as 'contrast'")
        gramian = [name for name, part in self.parts.items() if isinstance(part, GramianConfig)]
        if gramian and not any(isinstance(part, PairwiseConfig) for part in self.parts.values()):
            raise ConfigError(
                f"part {gramian[0]!r} measures volume or area, which are also small for vectors that are not aligned; "
                "add a PairwiseConfig part"
            )


class Objective(nn.Module):
    """The weighted sum of set objectives. Terms are named "part/term", or "part" where the one term has that name."""

    def __init__(self, config: ObjectiveConfig) -> None:
        super().__init__()
        self.weights = {name: part.weight for name, part in config.parts.items()}
        self.parts = nn.ModuleDict({name: part.build() for name, part in config.parts.items()})

    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return the terms of all parts, multiplied by the weights of their parts."""
        merged: dict[str, Tensor] = {}
        for part, module in self.parts.items():
            terms: LossTerms = module(embeddings)
            alone = list(terms.terms) == [part]
            for name, term in terms.terms.items():
                merged[part if alone else f"{part}/{name}"] = self.weights[part] * term
        return LossTerms(merged)


ObjectiveConfig.builds = Objective

"""Joint measures of a tuple of modalities: the volume (GRAM) and the triangle's area (TRIANGLE), and their contrast.

Legend: t_i anchors (n of them), (v_j, a_j) companions (m of them, always together); all unit vectors;
a_ij = <t_i, v_j>, b_ij = <t_i, a_j>, c_j = <v_j, a_j>. Only these inner products are ever materialised.

Degeneracies of both measures, which is why a pairwise term must stand beside them (`Objective` insists):
V_ij = sqrt(1 - c_j^2) * distance(t_i, span(v_j, a_j)) and
A_ij = 1/2 |v_j - a_j| * distance(t_i, line through v_j and a_j).
So companions that coincide score 0, the best value, with every anchor; and the volume does not change when any vector
is negated, so that an anti-parallel anchor counts as aligned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trichord.batch import Embeddings
from trichord.errors import ConfigError
from trichord.objectives.contract import (
    SetObjective,
    SetObjectiveConfig,
    check_fraction,
    check_modalities,
    check_names,
    check_positive,
)
from trichord.objectives.contrast import both_directions, full_precision
from trichord.objectives.scale import LearnableScale
from trichord.objectives.terms import LossTerms
from trichord.shapes import Float, Tensor

# Below this a root's argument is rounding noise of fp32 and its slope unbounded; there the gradient is zero.
_SMALLEST_SQUARE = 1e-6


def _guarded_root(square: Tensor) -> Tensor:
    return square.clamp(min=_SMALLEST_SQUARE).sqrt()


def volume(
    anchor: Float[Tensor, "n dim"], first: Float[Tensor, "m dim"], second: Float[Tensor, "m dim"]
) -> Float[Tensor, "n m"]:
    """Return V_ij = sqrt(det G(t_i, v_j, a_j)) = sqrt(1 + 2abc - a^2 - b^2 - c^2), in fp32.

    Cicchetti et al. (GRAM, ICLR 2025). A companion given as a zero vector drops out: the volume is then that of the two
    that remain, sqrt(1 - a^2). Values below 0.001 are reported as 0.001.
    """
    with full_precision(anchor):
        anchor, first, second = anchor.float(), first.float(), second.float()
        a, b, c = anchor @ first.T, anchor @ second.T, (first * second).sum(1)
        return _guarded_root(1 + 2 * a * b * c - a.square() - b.square() - c.square())


def gram_volume(anchor: Float[Tensor, "n dim"], companions: Sequence[Float[Tensor, "m dim"]]) -> Float[Tensor, "n m"]:
    """Return `volume` for any number of companions: closed forms for one and two, a determinant from three on.

    The determinant is taken of a (n, m, k, k) table of Gram matrices, k = 1 + number of companions. Zero vectors
    drop out as in `volume`.
    """
    if len(companions) == 2:
        return volume(anchor, *companions)
    with full_precision(anchor):
        anchor, companions = anchor.float(), [companion.float() for companion in companions]
        to_anchor = torch.stack([anchor @ companion.T for companion in companions], dim=-1)
        if len(companions) == 1:
            return _guarded_root(1 - to_anchor[..., 0].square())
        stacked = torch.stack(companions, dim=1)
        among = stacked @ stacked.mT
        # The diagonal is 1 by definition, also for a zero vector: this is what lets it drop out.
        eye = torch.eye(len(companions), dtype=torch.bool, device=anchor.device)
        among = among.masked_fill(eye, 1.0).expand(len(anchor), *among.shape)
        top = functional.pad(to_anchor, (1, 0), value=1.0).unsqueeze(-2)
        gram = torch.cat([top, torch.cat([to_anchor.unsqueeze(-1), among], dim=-1)], dim=-2)
        return _guarded_root(torch.linalg.det(gram))


def area(
    anchor: Float[Tensor, "n dim"], first: Float[Tensor, "m dim"], second: Float[Tensor, "m dim"]
) -> Float[Tensor, "n m"]:
    """Return A_ij = 1/2 sqrt(<u,u><w,w> - <u,w>^2), u = t_i - v_j, w = t_i - a_j, in fp32.

    TRIANGLE (NeurIPS 2025) as its paper defines it; its code leaves out the root and forms an (n, m, dim) table, where
    <u,u> = 2 - 2a, <w,w> = 2 - 2b and <u,w> = 1 - a - b + c do. There is no value for a missing companion. Values below
    0.0005 are reported as 0.0005.
    """
    with full_precision(anchor):
        anchor, first, second = anchor.float(), first.float(), second.float()
        a, b, c = anchor @ first.T, anchor @ second.T, (first * second).sum(1)
        return 0.5 * _guarded_root(4 * (1 - a) * (1 - b) - (1 - a - b + c).square())


@dataclass(frozen=True, kw_only=True)
class GramianConfig(SetObjectiveConfig):
    """What the configurations of `Volume` and `Area` have in common.

    Every other row is a negative: overlapping clips of one source video are not left out here, whatever a
    `PairwiseConfig` beside it says of them.

    Args:
        anchor: modality that is contrasted with the tuples of the others, usually text.
        others: modalities that form the tuple.
        initial_temperature: inverse of the learnable scale at the start.
        max_scale: upper bound of the scale.
        label_smoothing: share of the target spread over all candidates, in [0, 1).
    """

    anchor: str
    others: tuple[str, ...]
    initial_temperature: float = 0.07
    max_scale: float = 100.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names("anchor and others", (self.anchor, *self.others))
        check_names("others", self.others)
        check_positive("initial_temperature", self.initial_temperature)
        check_fraction("label_smoothing", self.label_smoothing)


@dataclass(frozen=True, kw_only=True)
class VolumeConfig(GramianConfig):
    """Configuration of `Volume`; published with label_smoothing=0.1."""


@dataclass(frozen=True, kw_only=True)
class AreaConfig(GramianConfig):
    """Configuration of `Area`; exactly two others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.others) != 2:
            raise ConfigError(f"a triangle has an anchor and two others, got {self.others}; use VolumeConfig instead")


class MeasureContrast(nn.Module):
    """1/2 [CE_rows(-scale M) + CE_columns(-scale M)] of a measure M that is small for what belongs together."""

    def __init__(self, config: GramianConfig) -> None:
        super().__init__()
        self.scale = LearnableScale(1 / config.initial_temperature, config.max_scale)
        self.label_smoothing = config.label_smoothing

    def forward(self, measure: Float[Tensor, "batch batch"]) -> Float[Tensor, ""]:
        """Return the loss; the true tuples lie on the diagonal."""
        return 0.5 * both_directions(-self.scale() * measure, self.label_smoothing)


class Volume(SetObjective):
    """Contrast of -volume: each anchor against all tuples and each tuple against all anchors.

    The vectors are L2-normalised first. Rows that hold the anchor and at least one other take part; a tuple that lacks
    some of the others has the volume of what it holds. See the degeneracies at the top of this file: it must stand
    beside a pairwise term.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.config = config
        self.contrast = MeasureContrast(config)

    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return the term "volume"."""
        config = self.config
        check_modalities(embeddings, (config.anchor, *config.others), "volume")
        held = torch.stack([embeddings.present[name] for name in config.others]).any(0)
        rows = embeddings.present[config.anchor] & held
        anchor, *companions = _unit_rows(embeddings, (config.anchor, *config.others), rows)
        return LossTerms({"volume": self.contrast(gram_volume(anchor, companions))})


class Area(SetObjective):
    """Contrast of -area: each anchor against all pairs of companions and each pair against all anchors.

    The vectors are L2-normalised first. Only rows that hold all three take part. See the degeneracies at the top of
    this file: it must stand beside a pairwise term.
    """

    def __init__(self, config: AreaConfig) -> None:
        super().__init__()
        self.config = config
        self.contrast = MeasureContrast(config)

    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return the term "area"."""
        names = (self.config.anchor, *self.config.others)
        check_modalities(embeddings, names, "area")
        rows = torch.stack([embeddings.present[name] for name in names]).all(0)
        anchor, first, second = _unit_rows(embeddings, names, rows)
        return LossTerms({"area": self.contrast(area(anchor, first, second))})


def _unit_rows(embeddings: Embeddings, names: Sequence[str], rows: Tensor) -> list[Tensor]:
    """Return the chosen rows of each modality as unit vectors, zero where a row lacks the modality."""
    chosen = [embeddings.vectors[name].masked_fill(~embeddings.present[name].unsqueeze(1), 0.0)[rows] for name in names]
    return [functional.normalize(vectors.float(), dim=1) for vectors in chosen]


VolumeConfig.builds = Volume
AreaConfig.builds = Area

"""What the space looks like between the two sides of a pair: gap, alignment, uniformity, hubs both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from trichord.adapters.settings import BASE
from trichord.errors import ProtocolError
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.sides import Side, build_side
from trichord.metrics.gap import alignment, chance_alignment, modality_gap
from trichord.metrics.hubness import DEPTH, Hubness, chance_hubness, measure_hubness
from trichord.metrics.uniformity import uniformity
from trichord.modality import Pair
from trichord.shapes import Int


@dataclass(frozen=True, kw_only=True)
class SpaceReport:
    """The space between two sides, each one unit vector per item.

    Args:
        left, right: modality names of the sides; a side of several is the sum of their unit vectors.
        adapter: what the vectors were made under.
        num_items: items that hold both sides; everything below is of these.
        num_left_out: items that lack a side.
        gap: distance between the centroids, in [0, 2].
        alignment: mean squared distance of matching vectors, in [0, 4].
        chance_alignment: the same of vectors that do not match.
        left_uniformity, right_uniformity: in [-8, 0]; lower is more even.
        left_to_right, right_to_left: hubs among the right rows for left queries, and the other way round; None where
            there are no more items than the depth.
        chance_hubness: of nearest rows drawn at random.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    adapter: str
    num_items: int
    num_left_out: int
    gap: float
    alignment: float
    chance_alignment: float
    left_uniformity: float
    right_uniformity: float
    left_to_right: Hubness | None
    right_to_left: Hubness | None
    chance_hubness: Hubness | None

    @property
    def pair(self) -> Pair:
        """The two sides."""
        return Pair(self.left, self.right)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "left": list(self.left), "right": list(self.right)}


def describe_pair(
    tables: Mapping[str, EmbeddingTable],
    pair: Pair,
    items: Int[np.ndarray, " items"],
    *,
    adapter: str = BASE,
    depth: int = DEPTH,
) -> SpaceReport:
    """Describe the space between the sides of a pair.

    The first instance (caption) of an item stands for it. Items that lack a side are left out and counted; of a side of
    several modalities those that an item holds are summed.

    Args:
        tables: modality name -> its vectors.
        pair: the sides.
        items: rows of the items.
        adapter: what the vectors were made under; written into the report.
        depth: k of the hubness.

    Raises:
        ProtocolError: fewer than two items hold both sides, a table is missing, or a vector is zero.
    """
    choices = {"captions": "first", "fusion": "sum of unit vectors", "similarity": "dot product of unit vectors"}
    sides = [build_side(tables, names, items, **choices) for names in (pair.left, pair.right)]
    kept = ~(sides[0].missing | sides[1].missing)
    number = int(kept.sum())
    if number < 2:
        raise ProtocolError(
            f"{number} of {len(items)} items hold both {'+'.join(pair.left)} and {'+'.join(pair.right)}; the space "
            "between them is described from two on. Leave the pair out, or take another split"
        )
    left, right = (_of_items(side, kept) for side in sides)
    hubs = (None, None, None) if number <= depth else _hubness(left, right, depth)
    return SpaceReport(
        left=pair.left,
        right=pair.right,
        adapter=adapter,
        num_items=number,
        num_left_out=len(items) - number,
        gap=modality_gap(left, right),
        alignment=alignment(left, right),
        chance_alignment=chance_alignment(left, right),
        left_uniformity=uniformity(left),
        right_uniformity=uniformity(right),
        left_to_right=hubs[0],
        right_to_left=hubs[1],
        chance_hubness=hubs[2],
    )


def average_reports(reports: Sequence[SpaceReport]) -> SpaceReport:
    """Average the reports of one pair and adapter over several seeds.

    Raises:
        ProtocolError: there is none, or they are of unlike pairs, adapters or numbers of items.
    """
    alike = {(report.left, report.right, report.adapter, report.num_items, report.num_left_out) for report in reports}
    if len(alike) != 1:
        raise ProtocolError(f"reports that are averaged describe one pair of the same items, got {sorted(alike)}")
    numbers = ("gap", "alignment", "chance_alignment", "left_uniformity", "right_uniformity")
    return SpaceReport(
        left=reports[0].left,
        right=reports[0].right,
        adapter=reports[0].adapter,
        num_items=reports[0].num_items,
        num_left_out=reports[0].num_left_out,
        left_to_right=_average_hubness([report.left_to_right for report in reports]),
        right_to_left=_average_hubness([report.right_to_left for report in reports]),
        chance_hubness=reports[0].chance_hubness,
        **{name: float(np.mean([getattr(report, name) for report in reports])) for name in numbers},
    )


def _of_items(side: Side, kept: np.ndarray) -> np.ndarray:
    vectors: np.ndarray = side.vectors[kept[side.positions]]
    return vectors


def _hubness(left: np.ndarray, right: np.ndarray, depth: int) -> tuple[Hubness, Hubness, Hubness]:
    one, other = torch.from_numpy(left), torch.from_numpy(right)
    return (
        measure_hubness(one, other, depth),
        measure_hubness(other, one, depth),
        chance_hubness(len(left), len(right), depth),
    )


def _average_hubness(found: Sequence[Hubness | None]) -> Hubness | None:
    held = [hubness for hubness in found if hubness is not None]
    if not held:
        return None
    names = ("skewness", "antihub_share", "largest_hub_share")
    return Hubness(**{name: float(np.mean([getattr(h, name) for h in held])) for name in names}, k=held[0].k)

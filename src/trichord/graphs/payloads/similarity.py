"""Rows and columns of the similarity table: which right sides a left side is like, and the other way round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trichord.errors import ConfigError
from trichord.graphs.divergence import unlikeness, unlikeness_both_ways
from trichord.graphs.output import NodeOutput
from trichord.graphs.overlap import cut, places, shared_cells
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses, mean_by_item
from trichord.objectives.contract import check_positive


@dataclass(frozen=True, kw_only=True)
class SimilarityConfig(PayloadConfig):
    """Configuration of `Similarity`.

    Args:
        direction: "rows": every left side's distribution over the right sides; "columns": every right side's over the
            left sides; "both": the mean of the two.
        temperature: divides the cosines of both nodes.
    """

    direction: Literal["both", "rows", "columns"] = "both"
    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        if self.direction not in ("both", "rows", "columns"):
            raise ConfigError(f"direction must be 'both', 'rows' or 'columns', got {self.direction!r}")


class Similarity(Payload):
    """The published edge, with the candidates of the batch in place of classes.

    Row i, of an item whose left side both nodes hold, has r_i = KL(softmax(S_i / T) || softmax(S'_i / T)), S the table
    of the source and S' that of the target, over the columns whose right side both hold. Column j, one of these, has
    c_j likewise over the rows. Both directions: an item with a row and a column has (r_i + c_i) / 2, one that has only
    either has that alone, undiminished, and one with neither takes no part. So unpaired items carry knowledge as well.
    For cosines there is no factor T^2: the temperature is part of the model, not a softening of it.

    Push: the cosine of the two softmaxes in place of the divergence.
    """

    def __init__(self, config: SimilarityConfig, *, source_dim: int = 0, target_dim: int = 0) -> None:
        super().__init__(config, source_dim=source_dim, target_dim=target_dim)
        self.config = config

    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        """Compare the tables; see the class."""
        direction, temperature = self.config.direction, self.config.temperature
        overlap = shared_cells(source.table, target.table)
        theirs, ours = cut(source.table, overlap), cut(target.table, overlap)
        if direction == "rows":
            return RowLosses(unlikeness(theirs, ours, temperature, push=push), places(overlap.rows))
        if direction == "columns":
            return RowLosses(unlikeness(theirs, ours, temperature, push=push, along=0), places(overlap.columns))
        losses = unlikeness_both_ways(theirs, ours, temperature, push=push)
        rows, columns = places(overlap.rows), places(overlap.columns)
        return mean_by_item([RowLosses(losses.rows, rows), RowLosses(losses.columns, columns)], len(overlap.rows))


SimilarityConfig.builds = Similarity

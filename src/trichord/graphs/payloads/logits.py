"""Class logits: the published payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trichord.graphs.divergence import unlikeness
from trichord.graphs.output import NodeOutput
from trichord.graphs.overlap import cut, places, shared_cells
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses
from trichord.objectives.contract import check_positive


@dataclass(frozen=True, kw_only=True)
class LogitsConfig(PayloadConfig):
    """Configuration of `Logits`.

    Args:
        temperature: divides the logits of both nodes; published: 1.
    """

    answers: ClassVar[Literal["sides", "classes", "both"]] = "classes"

    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)


class Logits(Payload):
    """T^2 KL(softmax(z / T) || softmax(z' / T)) for every item, z the logits of the source and z' of the target.

    Minami et al. (ACCV 2020), equation of the soft edge, after Hinton et al. (2015): T^2 keeps the size of gradients
    when the temperature changes. The divergence is exact, see `divergence.divergence`. Push: the cosine of the two
    softmaxes, without the factor, which was published for T = 1 only.
    """

    def __init__(self, config: LogitsConfig, *, source_dim: int = 0, target_dim: int = 0) -> None:
        super().__init__(config, source_dim=source_dim, target_dim=target_dim)
        self.config = config

    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        """Compare the logits; see the class."""
        temperature = self.config.temperature
        overlap = shared_cells(source.table, target.table)
        losses = unlikeness(cut(source.table, overlap), cut(target.table, overlap), temperature, push=push)
        return RowLosses(losses if push else temperature**2 * losses, places(overlap.rows))


LogitsConfig.builds = Logits

"""Rebuilding what an encoder saw from its embedding."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trichord.batch import Embeddings
from trichord.errors import ConfigError
from trichord.objectives.contract import SetObjective, SetObjectiveConfig, check_modalities
from trichord.objectives.selection import chosen_rows
from trichord.objectives.terms import LossTerms
from trichord.shapes import Float, Tensor


def mean_squared_error(predicted: Float[Tensor, "rows d"], target: Float[Tensor, "rows d"]) -> Float[Tensor, ""]:
    """Return the mean squared difference over rows and width; 0, attached to the graph, for no rows."""
    if len(predicted) == 0:
        return predicted.float().sum()
    return (predicted.float() - target.float()).square().mean()


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig(SetObjectiveConfig):
    """Configuration of `Reconstruction`. MCN's published weight is 50.

    Args:
        dim: width of the joint space.
        dims: modality name -> width of its target.
        hidden: width of the hidden layer; 1024 as published.
        output_relu: whether a ReLU ends the decoder, as published; it fits targets without negative entries only.
        detach_targets: whether the target is a constant. False, as published, lets the encoder lower the loss by
            shrinking its target.
    """

    dim: int
    dims: dict[str, int]
    hidden: int = 1024
    output_relu: bool = False
    detach_targets: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = {"dim": self.dim, "hidden": self.hidden, **{f"dims[{name!r}]": d for name, d in self.dims.items()}}
        wrong = {field: width for field, width in widths.items() if width < 1}
        if wrong or not self.dims:
            raise ConfigError(f"dims must name a modality and every width be at least 1, got {wrong or self.dims}")


class Reconstruction(SetObjective):
    """One decoder and one mean squared error for each modality, over the rows that hold it (MCN, Chen et al. 2021).

    The decoder is Linear(dim, hidden) - ReLU - Linear(hidden, width of the target), with a ReLU at the end if asked.
    """

    def __init__(self, config: ReconstructionConfig) -> None:
        super().__init__()
        self.config = config
        self.decoders = nn.ModuleDict({name: self._decoder(width) for name, width in config.dims.items()})

    def _decoder(self, width: int) -> nn.Sequential:
        layers = [nn.Linear(self.config.dim, self.config.hidden), nn.ReLU(), nn.Linear(self.config.hidden, width)]
        return nn.Sequential(*layers, nn.ReLU()) if self.config.output_relu else nn.Sequential(*layers)

    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return one term for each modality of `dims`.

        Raises:
            ConfigError: if the embeddings lack a modality or its target, or a width differs from the configuration.
        """
        check_modalities(embeddings, self.config.dims, "reconstruction")
        return LossTerms({name: self._term(name, decoder, embeddings) for name, decoder in self.decoders.items()})

    def _term(self, name: str, decoder: nn.Module, embeddings: Embeddings) -> Float[Tensor, ""]:
        if name not in embeddings.targets:
            raise ConfigError(
                f"reconstruction names {name!r}, but there are targets for {sorted(embeddings.targets)} only"
            )
        vectors, target = embeddings.vectors[name], embeddings.targets[name]
        found, wanted = (vectors.shape[1], target.shape[1]), (self.config.dim, self.config.dims[name])
        if found != wanted:
            raise ConfigError(f"{name!r} has (embedding, target) widths {found}, reconstruction is set to {wanted}")
        rows = embeddings.present[name]
        target = target.detach() if self.config.detach_targets else target
        return mean_squared_error(decoder(chosen_rows(vectors, rows)), chosen_rows(target, rows))


ReconstructionConfig.builds = Reconstruction

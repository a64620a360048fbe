"""Zero mean, unit scale, and optionally no correlation: statistics of the fitting split, kept in buffers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from trichord.errors import ConfigError, DataError
from trichord.shapes import Float, Tensor

SCALE_FLOOR = 1e-3


@dataclass
class Moments:
    """Running mean and scatter in float64; `scatter` holds summed squared deviations, or their products by pairs.

    Chunks are merged by the update of Chan, Golub and LeVeque, which does not cancel when the mean is far from zero.
    """

    count: int
    mean: Tensor
    scatter: Tensor

    def add(self, values: Float[Tensor, "rows features"]) -> None:
        """Take in one more chunk."""
        values = values.to(self.mean)
        mean = values.mean(dim=0)
        shift, total = mean - self.mean, self.count + len(values)
        self.scatter += self._scatter(values - mean) + self._scatter(shift[None]) * (self.count * len(values) / total)
        self.mean += shift * (len(values) / total)
        self.count = total

    def _scatter(self, deviations: Float[Tensor, "rows features"]) -> Tensor:
        scatter: Tensor = deviations.T @ deviations if self.scatter.ndim == 2 else deviations.square().sum(dim=0)
        return scatter


def floored_scale(deviation: Float[Tensor, " features"]) -> Float[Tensor, " features"]:
    """Return standard deviations, none below `SCALE_FLOOR` of their root mean square; all ones if all are zero.

    A column that is constant on the fitting split would otherwise blow up any value that differs from the constant.
    """
    floor = SCALE_FLOOR * deviation.square().mean().sqrt()
    return torch.where(floor > 0, deviation.clamp_min(floor), torch.ones_like(deviation))


def whitening_matrix(
    covariance: Float[Tensor, "features features"], ridge: float
) -> Float[Tensor, "features features"]:
    """Return (C + ridge I)^(-1/2), the symmetric (ZCA) whitening matrix of a covariance C of standardised values."""
    variances, axes = torch.linalg.eigh(covariance)
    matrix: Tensor = (axes / (variances.clamp_min(0) + ridge).sqrt()) @ axes.T
    return matrix


class Standardize(nn.Module):
    """Subtracts the mean and divides by the standard deviation of the fitting split; the identity until `fit`.

    The statistics are buffers, so a checkpoint holds them, and they take no gradient.

    Args:
        dim: width of the values.
        whiten: also multiply by the symmetric whitening matrix of the standardised values.
        ridge: added in the whitening to the variance along every axis; standardised values have variance one.
    """

    mean: Tensor
    scale: Tensor
    fitted: Tensor
    whitening: Tensor | None

    def __init__(self, dim: int, *, whiten: bool = False, ridge: float = 1e-2) -> None:
        super().__init__()
        if ridge <= 0:
            raise ConfigError(f"the ridge of a whitening must be above 0, got {ridge}")
        self.ridge = ridge
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("whitening", torch.eye(dim) if whiten else None)
        self.register_buffer("fitted", torch.tensor(False))

    def forward(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
        """Map (rows, dim) to (rows, dim)."""
        standard = (values - self.mean) / self.scale
        if self.whitening is None:
            return standard
        # Whitening magnifies the directions of least variance, which would be rounding noise in half precision.
        with torch.autocast(values.device.type, enabled=False):
            return standard @ self.whitening

    @torch.no_grad()
    def fit(self, chunks: Iterable[Tensor]) -> None:
        """Set the statistics to those of all rows of all chunks, computed in one pass in float64.

        The deviation is that of the rows given (divided by their number, not by one less). What was fitted before is
        forgotten.

        Args:
            chunks: (any number, dim) each, on any device.

        Raises:
            DataError: fewer than two rows, another width, or values that are not finite.
        """
        dim = len(self.mean)
        shape = (dim,) if self.whitening is None else (dim, dim)
        start = self.mean.new_zeros(dim, dtype=torch.float64)
        moments = Moments(0, start, start.new_zeros(shape))
        for chunk in chunks:
            _check_chunk(chunk, dim)
            if len(chunk) > 0:
                moments.add(chunk)
        if moments.count < 2:
            raise DataError(
                f"input statistics need two rows or more, got {moments.count}",
                remedy="Fit on a split that holds this modality, or build the encoder without standardize",
            )
        self._adopt(moments)

    def _adopt(self, moments: Moments) -> None:
        covariance = moments.scatter / moments.count
        variance = covariance if self.whitening is None else covariance.diagonal()
        scale = floored_scale(variance.sqrt())
        self.mean.copy_(moments.mean)
        self.scale.copy_(scale)
        if self.whitening is not None:
            self.whitening.copy_(whitening_matrix(covariance / scale / scale[:, None], self.ridge))
        self.fitted.fill_(True)


def _check_chunk(chunk: Tensor, dim: int) -> None:
    if chunk.ndim != 2 or chunk.shape[1] != dim:
        raise DataError(
            f"input statistics are fitted on values of shape (rows, {dim}), got {tuple(chunk.shape)}",
            remedy="Set input_dim to the width of the data",
        )
    if not bool(torch.isfinite(chunk).all()):
        row = int((~torch.isfinite(chunk)).any(dim=1).nonzero()[0])
        raise DataError("input statistics need finite values, got NaN or infinity", row=row, remedy="Mend that row")

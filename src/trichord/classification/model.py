"""Encoders of several modalities and a classifier on top of their vectors (late fusion)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from trichord.batch import Encoded, Features
from trichord.config import Config
from trichord.encoders.contract import Encoder, EncoderConfig
from trichord.encoders.joint import check_names, scatter_rows
from trichord.errors import ConfigError, DataError
from trichord.shapes import Bool, Float, Tensor

Fusion = Literal["sum of logits", "concatenation"]


@dataclass(frozen=True, kw_only=True)
class FusionClassifierConfig(Config):
    """Settings of `FusionClassifier`.

    Args:
        encoders: modality name -> its encoder, each as wide as it likes.
        classes: what the classes are called, in the order of the logits.
        fusion: "sum of logits": a linear classifier per modality, their logits added. "concatenation": one linear
            classifier on all vectors side by side, zeros in place of those that are missing. Both can express the same
            functions; they differ in where they start from: with summed logits MMLoRA takes the experts' classifiers
            over, and begins as their ensemble.
        dropout: share of the entries of the vectors set to zero in training, below the classifier.
    """

    encoders: dict[str, EncoderConfig]
    classes: tuple[str, ...]
    fusion: Fusion = "sum of logits"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not self.encoders:
            raise ConfigError("a classifier has one encoder or more")
        check_names(self.encoders)
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"a classifier tells two or more classes apart, each named once; got {self.classes}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")


@dataclass(frozen=True)
class Classified:
    """A batch classified.

    Args:
        logits: (batch, classes); zeros in a row that holds none of the modalities.
        vectors: modality name -> (batch, width) what its encoder makes of the rows, zeros where missing.
        present: modality name -> (batch,) which rows hold it.
    """

    logits: Float[Tensor, "batch classes"]
    vectors: Mapping[str, Float[Tensor, "batch width"]]
    present: Mapping[str, Bool[Tensor, " batch"]]

    @property
    def held(self) -> Bool[Tensor, " batch"]:
        """Which rows hold one of the modalities or more."""
        return torch.stack(list(self.present.values())).any(dim=0)


def widened(values: Tensor) -> Tensor:
    """Return values in float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class FusionClassifier(nn.Module):
    """logits = sum over the modalities m that a row holds of (W_m f_m(x_m) + b_m), or + one b for all of them.

    A modality that is missing adds nothing, in training and when it is measured.
    """

    def __init__(self, config: FusionClassifierConfig) -> None:
        super().__init__()
        self.classes, self.fusion = config.classes, config.fusion
        self.widths = {name: encoder.output_dim for name, encoder in config.encoders.items()}
        self.encoders = nn.ModuleDict({name: encoder.build() for name, encoder in config.encoders.items()})
        self.dropout = nn.Dropout(config.dropout)
        self._given: frozenset[str] = frozenset()
        together = {"all": sum(self.widths.values())}
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(width, len(config.classes))
                for name, width in (self.widths if config.fusion == "sum of logits" else together).items()
            }
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that have an encoder."""
        return tuple(self.encoders)

    def encoder(self, name: str) -> Encoder:
        """Return a modality's encoder."""
        found = self.encoders[name]
        assert isinstance(found, Encoder)
        return found

    @contextmanager
    def given(self, names: Collection[str]) -> Iterator[None]:
        """Take what stands for features of the named modalities as their encoders' vectors, while the block runs."""
        before, self._given = self._given, frozenset(names)
        try:
            yield
        finally:
            self._given = before

    def forward(
        self, features: Mapping[str, Features], batch_size: int, only: Collection[str] | None = None
    ) -> Classified:
        """Classify a batch.

        Args:
            features: modality name -> features of the rows that hold it.
            batch_size: rows of the batch.
            only: take these modalities alone, as if the others were missing; None takes all.

        Raises:
            DataError: features do not suit their encoder.
        """
        vectors, present = {}, {}
        for name in self.modalities:
            if only is not None and name not in only:
                continue
            held = features[name] if name in features else self._empty_features(name)
            wide = widened(self._encode(name, held))
            vectors[name] = scatter_rows(wide, held.rows, batch_size)
            everywhere = torch.zeros(batch_size, dtype=torch.bool, device=wide.device)
            present[name] = everywhere.index_fill(0, held.rows, True)
        return Classified(self.logits(vectors, present), vectors, present)

    def _empty_features(self, name: str) -> Features:
        empty = self.encoder(name).empty_features()
        if name not in self._given:
            return empty
        weights = next(self.heads.parameters())
        return Features(weights.new_zeros(0, self.widths[name]), empty.rows)

    def _encode(self, name: str, features: Features) -> Tensor:
        if name in self._given:
            return features.values
        try:
            encoded: Encoded = self.encoders[name](features)
        except DataError as error:
            raise DataError(f"{name}: {error.rule}", file=error.file, row=error.row, remedy=error.remedy) from error
        return encoded.embedding

    def logits(
        self, vectors: Mapping[str, Float[Tensor, "batch width"]], present: Mapping[str, Bool[Tensor, " batch"]]
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of vectors; a modality that is not named is missing everywhere."""
        kept = {name: self.dropout(values) for name, values in vectors.items()}
        held = torch.stack(list(present.values())).any(dim=0)
        if self.fusion == "concatenation":
            rows = next(iter(vectors.values()))
            beside = [kept.get(name, rows.new_zeros(len(rows), width)) for name, width in self.widths.items()]
            logits: Tensor = self.heads["all"](torch.cat(beside, dim=1))
            return logits * held.unsqueeze(1)
        parts = [self.heads[name](values) * present[name].unsqueeze(1) for name, values in kept.items()]
        return torch.stack(parts).sum(dim=0)


FusionClassifierConfig.builds = FusionClassifier

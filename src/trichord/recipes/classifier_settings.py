"""Settings of classifiers by how much there is to learn from, and encoders of ours for features.

docs/results.md says how they were chosen: by cross-validation over what may be learnt from, never on a reported split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trichord.config import Config
from trichord.data import DatasetSpec, ModalitySpec
from trichord.encoders import AudioEncoderConfig, EncoderConfig, ResidualHeadConfig, WordPoolConfig
from trichord.errors import ConfigError

FEW_ITEMS = 2000


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings(Config):
    """Settings of all classifiers of a study; the encoder's are those of encoders of ours.

    Args:
        width: of an encoder's vector, and of its hidden layer.
        dropout: share of the inputs of a head on pooled vectors that is dropped in training.
        hidden_dropout: of the hidden units of a head on pooled vectors.
        vector_dropout: of the vectors below the classifier on top.
        weight_decay, label_smoothing, batch_size: see `LearningConfig`; smoothing is for single labels.
        epochs: E, of each of the two stages of MMLoRA; joint learning gets 2 E.
        learning_rate: of experts and of learning with teachers, and a middle one of those that joint learning tries.
        second_rate: of matrices.
        head_ratio: the classifier on top learns so many times faster than what is below it.
        keep: weights of the last epoch, or of the best on validation.
        evaluate_every: epochs between two validations.
    """

    width: int = 128
    dropout: float = 0.2
    hidden_dropout: float = 0.5
    vector_dropout: float = 0.5
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    batch_size: int = 128
    epochs: int = 20
    learning_rate: float = 3e-3
    second_rate: float = 1e-3
    head_ratio: float = 1.0
    keep: Literal["best", "last"] = "last"
    evaluate_every: int = 5


FEW = ClassifierSettings()
MANY = ClassifierSettings(dropout=0.1, hidden_dropout=0.3, vector_dropout=0.3)
# Pretrained encoders are moved gently, matrices in them less so, and the new classifier on top learns ten times faster.
PRETRAINED = ClassifierSettings(
    vector_dropout=0.1,
    batch_size=32,
    epochs=5,
    learning_rate=5e-5,
    second_rate=3e-4,
    head_ratio=10.0,
    keep="best",
    evaluate_every=1,
)


def choose_settings(spec: DatasetSpec, fit_splits: Sequence[str], *, pretrained: bool) -> ClassifierSettings:
    """Return `PRETRAINED` where an encoder is; else `FEW` up to 2000 items to learn from, and `MANY` above.

    Raises:
        ConfigError: a split that the data do not have.
    """
    absent = [split for split in fit_splits if split not in spec.splits]
    if absent:
        raise ConfigError(f"{spec.name} has no split {absent[0]!r} to learn from; it has {list(spec.splits)}")
    if pretrained:
        return PRETRAINED
    return FEW if sum(spec.splits[split] for split in fit_splits) <= FEW_ITEMS else MANY


def own_encoder(entry: ModalitySpec, settings: ClassifierSettings) -> EncoderConfig:
    """Return an encoder of ours for features: a head on pooled vectors, a trunk over sequences, a pool of words.

    Raises:
        ConfigError: raw images, frames, waveforms or texts, which need a pretrained encoder.
    """
    name, width = entry.modality.name, settings.width
    if entry.kind == "pooled":
        return ResidualHeadConfig(
            input_dim=entry.dim,
            output_dim=width,
            hidden_dim=width,
            dropout=settings.dropout,
            hidden_dropout=settings.hidden_dropout,
            standardize=True,
        )
    if entry.kind == "sequence":
        return AudioEncoderConfig(input_dim=entry.dim, output_dim=width, widths=(32, 64, 128))
    if entry.kind == "words" and entry.words is not None:
        return WordPoolConfig(
            input_dim=entry.dim, output_dim=width, num_words=entry.num_words, word_vectors=entry.words.fingerprint
        )
    raise ConfigError(
        f"{name} is of the kind {entry.kind!r}, which no encoder of ours takes; name a pretrained one: "
        f"--encoder {name}=FOLDER"
    )

"""An encoder that goes on over data whose words have numbers of their own."""

from __future__ import annotations

from dataclasses import replace

from trichord.data import DatasetSpec, ModalitySpec
from trichord.encoders import EncoderConfig, WordPoolConfig
from trichord.errors import ConfigError


def reworded(encoder: EncoderConfig, entry: ModalitySpec, spec: DatasetSpec) -> EncoderConfig:
    """Return a trained encoder's settings for other data: it reads their words, where it looks words up.

    Args:
        encoder: settings of the trained encoder.
        entry: the modality in the data.
        spec: the data.

    Raises:
        ConfigError: their captions are indexed with another file of word vectors than the encoder was trained with.
    """
    if not isinstance(encoder, WordPoolConfig):
        return encoder
    words = entry.words
    if words is not None and encoder.word_vectors not in ("", words.fingerprint):
        raise ConfigError(
            f"the captions of {spec.name} are indexed with other word vectors ({words.source}) than the model was "
            "trained with; import them again with the file of the model"
        )
    vectors = encoder.word_vectors if words is None else words.fingerprint
    return replace(encoder, num_words=entry.num_words or None, word_vectors=vectors)

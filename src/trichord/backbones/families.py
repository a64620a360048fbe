"""Which networks can be used, what they read, and which of their vectors stands for a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trichord.backbones import pooling
from trichord.errors import ConfigError, nearest
from trichord.shapes import Tensor

Pool = Callable[[Any, Tensor, Tensor | None], Tensor]
READS = {"image": "image", "frames": "image", "waveform": "waveform", "text": "text"}
"""Kind of raw input -> what a network for it reads; frames are read image by image."""


@dataclass(frozen=True)
class Family:
    """Networks of one architecture.

    Args:
        name: for people and configurations.
        model_types: `model_type` of the config.json of checkpoints that hold one, on its own or as a tower.
        reads: "image", "waveform" or "text".
        model: its class in transformers.
        processor: class of its processor in transformers, where the checkpoint names none.
        poolings: name -> which vector stands for a row; the first is the default. Described in `pooling`.
        row_shape: shape of one prepared input, from the network's configuration; None for any length.
        input_dim: width of one position of what it reads: colours, mel bands, samples, or words it knows.
        most_tokens: longest text, from the configuration.
        options: of the constructor.
        settings: of the configuration: nothing may be drawn but by dropout, and no weight may be left without use.
        part: the attribute of the model that is meant; None for all of it.
        filled: whether text is filled up to `most_tokens`, as the network was trained.
    """

    name: str
    model_types: tuple[str, ...]
    reads: str
    model: str
    processor: str
    poolings: Mapping[str, Pool]
    row_shape: Callable[[Any], tuple[int | None, ...]]
    input_dim: Callable[[Any], int]
    most_tokens: Callable[[Any], int] = lambda config: int(config.max_position_embeddings)
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    part: str | None = None
    filled: bool = False


def _square(config: Any) -> tuple[int | None, ...]:
    sizes = config.image_size if isinstance(config.image_size, (list, tuple)) else (config.image_size,) * 2
    return (config.num_channels, *sizes)


def _any_text(config: Any) -> tuple[int | None, ...]:
    return (None,)


def _channels(config: Any) -> int:
    return int(config.num_channels)


def _vocabulary(config: Any) -> int:
    return int(config.vocab_size)


def _text_family(name: str, model_type: str, prefix: str, **more: Any) -> Family:
    return Family(
        name,
        (model_type,),
        "text",
        f"{prefix}Model",
        f"{prefix}Tokenizer",
        {"mean": pooling.token_mean, "first": pooling.first_token},
        _any_text,
        _vocabulary,
        **more,
    )


FAMILIES: tuple[Family, ...] = (
    Family(
        "ViT",
        ("vit",),
        "image",
        "ViTModel",
        "ViTImageProcessor",
        {"first": pooling.first_position},
        _square,
        _channels,
        options={"add_pooling_layer": False},
    ),
    Family(
        "DINOv2",
        ("dinov2",),
        "image",
        "Dinov2Model",
        "BitImageProcessor",
        {"first": pooling.first_position},
        lambda config: (config.num_channels, None, None),
        _channels,
        settings={"use_mask_token": False},
    ),
    Family(
        "CLIP vision",
        ("clip", "clip_vision_model"),
        "image",
        "CLIPVisionModel",
        "CLIPImageProcessor",
        {"pooled": pooling.image_pooler},
        _square,
        _channels,
    ),
    Family(
        "SigLIP vision",
        ("siglip", "siglip_vision_model"),
        "image",
        "SiglipVisionModel",
        "SiglipImageProcessor",
        {"pooled": pooling.image_pooler},
        _square,
        _channels,
    ),
    Family(
        "AST",
        ("audio-spectrogram-transformer",),
        "waveform",
        "ASTModel",
        "ASTFeatureExtractor",
        {"pooled": pooling.spectrogram_pooler},
        lambda config: (config.max_length, config.num_mel_bins),
        lambda config: int(config.num_mel_bins),
    ),
    Family(
        "Wav2Vec2",
        ("wav2vec2",),
        "waveform",
        "Wav2Vec2Model",
        "Wav2Vec2FeatureExtractor",
        {"mean": pooling.samples_mean},
        lambda config: (None,),
        lambda config: 1,
        settings={"apply_spec_augment": False, "mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0},
    ),
    Family(
        "Whisper encoder",
        ("whisper",),
        "waveform",
        "WhisperModel",
        "WhisperFeatureExtractor",
        {"mean": pooling.encoder_mean},
        lambda config: (2 * config.max_source_positions, config.num_mel_bins),
        lambda config: int(config.num_mel_bins),
        settings={"apply_spec_augment": False, "encoder_layerdrop": 0.0},
        part="encoder",
    ),
    _text_family("BERT", "bert", "Bert", options={"add_pooling_layer": False}),
    # RoBERTa counts positions from behind its padding token.
    _text_family(
        "RoBERTa",
        "roberta",
        "Roberta",
        options={"add_pooling_layer": False},
        most_tokens=lambda config: int(config.max_position_embeddings - config.pad_token_id - 1),
    ),
    _text_family("DistilBERT", "distilbert", "DistilBert"),
    Family(
        "CLIP text",
        ("clip", "clip_text_model"),
        "text",
        "CLIPTextModel",
        "CLIPTokenizer",
        {"pooled": pooling.text_pooler},
        _any_text,
        _vocabulary,
    ),
    Family(
        "SigLIP text",
        ("siglip", "siglip_text_model"),
        "text",
        "SiglipTextModel",
        "PreTrainedTokenizerFast",
        {"pooled": pooling.full_text_pooler},
        _any_text,
        _vocabulary,
        filled=True,
    ),
)


def find_family(name: str) -> Family:
    """Return the family called `name`; raise `ConfigError` with the nearest name where there is none."""
    found = {family.name: family for family in FAMILIES}
    if name not in found:
        raise ConfigError(f"there is no family of backbones {name!r}; {nearest(name, list(found))}")
    return found[name]


def supported(reads: str | None = None) -> str:
    """List the families, for messages; of those that read one kind of input, where it is named."""
    kinds = ("image", "waveform", "text") if reads is None else (reads,)
    listed = [f"{kind}: {', '.join(one.name for one in FAMILIES if one.reads == kind)}" for kind in kinds]
    return "; ".join(listed)

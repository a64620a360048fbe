"""From raw inputs to what a network reads, by its own processor: pixels, mel bands, samples or token ids.

Without torchvision and torchaudio: images go through the processors that use PIL and NumPy. The processor is given one
input or a list of them, exactly as it stands in the checkpoint.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.backbones.checkpoint import Checkpoint
from trichord.backbones.models import quiet, read_config
from trichord.backbones.pooling import samples_needed
from trichord.errors import ConfigError
from trichord.files import read_json
from trichord.shapes import Int

_KNOWN_CLASS = re.compile(r"[A-Za-z0-9]+(ImageProcessor|FeatureExtractor)")


@dataclass(frozen=True)
class Prepared:
    """Inputs of a network.

    Args:
        values: (rows, ...) float32, or int64 token ids; padded at the end.
        lengths: (rows,) true length of each row; None where all are of one length and nothing is padded.
    """

    values: np.ndarray
    lengths: Int[np.ndarray, " rows"] | None = None


class Preparer(ABC):
    """Prepares one kind of raw input for one checkpoint.

    Args:
        checkpoint: whose processor it is.
        dim: width of one position of what it makes, see `Family.input_dim`.
        processor: the processor, of transformers.
    """

    fewest = 1
    """Shortest input, in frames or samples."""
    most: int | None = None
    """Longest input that is read whole, in samples; None for any."""

    def __init__(self, checkpoint: Checkpoint, dim: int, processor: Any) -> None:
        self.checkpoint, self.dim, self.processor = checkpoint, dim, processor
        self.fingerprint = checkpoint.processor_hash()

    def once(self, raw: Sequence[Any]) -> list[Any]:
        """Do what is done once for the whole data set; nothing, but for text."""
        return list(raw)

    def count_cut(self, texts: Sequence[str]) -> int:
        """Count the captions that are longer than the network reads; of inputs without tokens, none."""
        return 0

    @abstractmethod
    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Make one batch, of one input or more, of what `once` returned."""


class ImagePreparer(Preparer):
    """Images (height, width, 3) uint8 -> (rows, 3, height, width)."""

    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Run the image processor."""
        return Prepared(self.pixels(inputs))

    def pixels(self, images: Sequence[Any]) -> np.ndarray:
        """Return (images, 3, height, width) float32."""
        made = self.processor(images=list(images), return_tensors="np", input_data_format="channels_last")
        return np.asarray(made["pixel_values"], dtype=np.float32)


class FramesPreparer(ImagePreparer):
    """Frames (time, height, width, 3) uint8 -> (rows, time, 3, height, width), padded with zeros, and lengths."""

    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Run the image processor on every frame."""
        lengths = np.array([len(one) for one in inputs], dtype=np.int64)
        pixels = self.pixels([frame for one in inputs for frame in one])
        padded = np.zeros((len(inputs), int(lengths.max()), *pixels.shape[1:]), np.float32)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = pixels
        return Prepared(padded, lengths)


class AudioPreparer(Preparer):
    """Base of the preparers of recordings.

    Args:
        rate: samples per second of the recordings; it must be the extractor's.

    Raises:
        ConfigError: the rates differ; nothing is resampled.
    """

    def __init__(self, checkpoint: Checkpoint, dim: int, processor: Any, rate: int) -> None:
        super().__init__(checkpoint, dim, processor)
        if processor.sampling_rate != rate:
            raise ConfigError(
                f"the recordings have {rate} samples per second, and {checkpoint.folder} reads "
                f"{processor.sampling_rate}; resample them and write the data set again: nothing is resampled here"
            )
        self.rate = rate

    def extract(self, recordings: Sequence[Any], **options: Any) -> Any:
        """Run the feature extractor."""
        return self.processor(list(recordings), sampling_rate=self.rate, return_tensors="np", **options)


class SpectrogramPreparer(AudioPreparer):
    """AST: recordings -> (rows, frames, mels) of one length; what is longer is cut, what is shorter filled up."""

    def __init__(self, checkpoint: Checkpoint, dim: int, processor: Any, rate: int) -> None:
        super().__init__(checkpoint, dim, processor, rate)
        window, step = round(0.025 * rate), round(0.01 * rate)
        self.fewest = window
        self.most = window + step * processor.max_length - 1

    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Run the feature extractor."""
        return Prepared(np.asarray(self.extract(inputs)["input_values"], dtype=np.float32))


class SamplesPreparer(AudioPreparer):
    """Wav2Vec2: recordings -> (rows, samples), normalised one by one, padded with zeros, and lengths."""

    def __init__(self, checkpoint: Checkpoint, dim: int, processor: Any, rate: int) -> None:
        super().__init__(checkpoint, dim, processor, rate)
        self.fewest = samples_needed(read_config(checkpoint))

    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Run the feature extractor on each recording: with others it may count their padding in."""
        made = [np.asarray(self.extract([one])["input_values"], np.float32)[0] for one in inputs]
        lengths = np.array([len(one) for one in made], dtype=np.int64)
        padded = np.zeros((len(made), int(lengths.max())), np.float32)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = np.concatenate(made)
        return Prepared(padded, lengths)


class WhisperPreparer(AudioPreparer):
    """Whisper: recordings -> (rows, frames, mels), filled up with silence, and the number of true frames."""

    def __init__(self, checkpoint: Checkpoint, dim: int, processor: Any, rate: int) -> None:
        super().__init__(checkpoint, dim, processor, rate)
        self.most = int(processor.n_samples)

    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Run the feature extractor."""
        made = self.extract(inputs, return_attention_mask=True)
        mels = np.asarray(made["input_features"], np.float32).transpose(0, 2, 1)
        return Prepared(np.ascontiguousarray(mels), np.asarray(made["attention_mask"]).sum(axis=1).astype(np.int64))


class TextPreparer(Preparer):
    """Captions -> token ids (rows, tokens), padded at the end, and lengths."""

    def __init__(self, checkpoint: Checkpoint, dim: int, processor: Any) -> None:
        super().__init__(checkpoint, dim, processor)
        most = checkpoint.family.most_tokens(read_config(checkpoint))
        self.most_tokens = min(most, int(processor.model_max_length))
        if len(processor) > dim:
            raise ConfigError(f"{checkpoint.folder}: its tokenizer has {len(processor)} tokens, its network {dim}")
        if processor.pad_token_id is None and checkpoint.family.filled:
            raise ConfigError(f"{checkpoint.folder}: its tokenizer names no padding token, which the network reads")

    def once(self, raw: Sequence[Any]) -> list[Any]:
        """Tokenise captions; of those that are too long, the beginning is kept, as the tokenizer cuts it."""
        if not raw:
            return []
        found = self.processor(
            list(raw),
            truncation=True,
            max_length=self.most_tokens,
            padding="max_length" if self.checkpoint.family.filled else False,
        )
        return [np.array(ids, dtype=np.int64) for ids in found["input_ids"]]

    def count_cut(self, texts: Sequence[str]) -> int:
        """Tokenise captions whole, and count."""
        with quiet():  # it warns of what is counted here
            whole = self.processor(list(texts))["input_ids"] if texts else []
        return sum(len(ids) > self.most_tokens for ids in whole)

    def batch(self, inputs: Sequence[Any]) -> Prepared:
        """Pad ids at the end."""
        lengths = np.array([len(ids) for ids in inputs], dtype=np.int64)
        padded = np.full((len(inputs), int(lengths.max())), self.processor.pad_token_id or 0, np.int64)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = np.concatenate(inputs)
        return Prepared(padded, lengths)


_AUDIO: dict[str, Callable[[Checkpoint, int, Any, int], Preparer]] = {
    "AST": SpectrogramPreparer,
    "Wav2Vec2": SamplesPreparer,
    "Whisper encoder": WhisperPreparer,
}
_TRIALS: dict[str, Any] = {
    "image": np.zeros((32, 32, 3), np.uint8),
    "frames": np.zeros((1, 32, 32, 3), np.uint8),
    "text": "a",
}


def load_preparer(checkpoint: Checkpoint, kind: str, rate: int | None = None) -> Preparer:
    """Load the processor of a checkpoint.

    Args:
        checkpoint: whose.
        kind: of raw input.
        rate: samples per second of recordings.

    Raises:
        ConfigError: it cannot be loaded, or what it makes is not what the network reads.
    """
    config, family = read_config(checkpoint), checkpoint.family
    dim, processor = family.input_dim(config), _load_processor(checkpoint)
    preparer: Preparer
    if family.reads == "waveform":
        assert rate is not None, "the header of a waveform has a rate"
        preparer = _AUDIO[family.name](checkpoint, dim, processor, rate)
        trial: Any = np.zeros(max(preparer.fewest, rate // 10), np.float32)
    else:
        makes = {"image": ImagePreparer, "frames": FramesPreparer, "text": TextPreparer}[kind]
        preparer, trial = makes(checkpoint, dim, processor), _TRIALS[kind]
    made = preparer.batch(preparer.once([trial])).values.shape[2 if kind == "frames" else 1 :]
    wanted = family.row_shape(config)
    if len(made) != len(wanted) or any(size not in (None, found) for size, found in zip(wanted, made, strict=True)):
        raise ConfigError(
            f"{checkpoint.folder}: its processor makes inputs of shape {tuple(made)}, its network reads "
            f"{tuple('any' if size is None else size for size in wanted)}; take both from one checkpoint"
        )
    return preparer


def _load_processor(checkpoint: Checkpoint) -> Any:
    import transformers

    name = checkpoint.family.processor
    if checkpoint.family.reads != "text":
        name = _named_class(checkpoint) or name
    # The variant without torchvision has a name of its own in transformers 5, and none before.
    found = getattr(transformers, f"{name}Pil", None) or getattr(transformers, name, None)
    if found is None:
        raise ConfigError(f"{checkpoint.folder}: the installed transformers has no processor {name!r}")
    with quiet():
        try:
            return found.from_pretrained(checkpoint.folder, local_files_only=True)
        except Exception as error:  # a damaged file raises many kinds
            raise ConfigError(f"{checkpoint.folder}: {name} cannot be loaded: {error}") from error


def _named_class(checkpoint: Checkpoint) -> str | None:
    """Return the class that the checkpoint names for its processor; older names of image processors are known."""
    kind = "image_processor" if checkpoint.family.reads == "image" else "feature_extractor"
    name = None
    for file in checkpoint.processor_files:
        described = read_json(file)
        described = described.get(kind, described)  # the processor of several inputs keeps each in a part of its file
        name = name or described.get(f"{kind}_type", described.get("feature_extractor_type"))
    if not isinstance(name, str):
        return None
    name = name.removesuffix("Fast").removesuffix("Pil")
    if checkpoint.family.reads == "image":
        name = name.replace("FeatureExtractor", "ImageProcessor")
    if not _KNOWN_CLASS.fullmatch(name):
        raise ConfigError(
            f"{checkpoint.folder}: its files name {name!r}, which is no processor of images or recordings"
        )
    return name

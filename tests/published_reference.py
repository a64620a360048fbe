"""The published MCN network in plain functions: random weights under its names, and what it computes from them.

Written from the description of the network alone (Chen et al. 2021, and how its reference code behaves where the paper
is silent); it shares nothing with our encoders, so that both can be held against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.nn import functional

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network; the defaults are small. `hidden` is None without reconstruction."""

    dim: int = 12
    video: int = 10
    words: int = 7
    mels: int = 40
    channels: tuple[int, ...] = (4, 4, 6, 5, 8)  # first convolution, then the four stages
    hidden: int | None = 6
    text: bool = True


PUBLISHED = Sizes(dim=6144, video=4096, words=300, channels=(128, 128, 256, 512, 1024), hidden=1024)


@dataclass
class Maker:
    """Makes the tensors of a state dictionary by a function of their shape."""

    draw: Callable[[tuple[int, ...]], torch.Tensor]
    state: State = field(default_factory=dict)

    def linear(self, name: str, inputs: int, outputs: int) -> None:
        self.state[f"{name}.weight"] = self.draw((outputs, inputs)) / inputs**0.5
        self.state[f"{name}.bias"] = self.draw((outputs,))

    def gated(self, name: str, inputs: int, outputs: int) -> None:
        self.linear(f"{name}.fc", inputs, outputs)
        self.linear(f"{name}.cg.fc", outputs, outputs)

    def convolution(self, name: str, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        self.state[f"{name}.weight"] = self.draw((outputs, inputs, *kernel)) / (inputs * kernel[0] * kernel[1]) ** 0.5

    def norm(self, name: str, width: int) -> None:
        self.state[f"{name}.weight"] = 1 + self.draw((width,)) / 4
        self.state[f"{name}.bias"] = self.draw((width,)) / 4
        self.state[f"{name}.running_mean"] = self.draw((width,)) / 4
        self.state[f"{name}.running_var"] = 1 + self.draw((width,)).square()
        self.state[f"{name}.num_batches_tracked"] = (self.draw(()) * 0 + 7).long()


def random_state(sizes: Sizes = Sizes(), seed: int = 0) -> State:
    """Random weights of a network."""
    generator = torch.Generator().manual_seed(seed)
    return _fill(Maker(lambda shape: torch.randn(shape, generator=generator)), sizes)


def shapes_only(sizes: Sizes) -> State:
    """The same without numbers, at any size."""
    return _fill(Maker(lambda shape: torch.empty(shape, device="meta")), sizes)


def _fill(make: Maker, sizes: Sizes) -> State:
    stem, *stages = sizes.channels
    make.norm("DAVEnet.batchnorm1", 1)
    make.convolution("DAVEnet.conv1", 1, stem, (sizes.mels, 1))
    make.norm("DAVEnet.bn1", stem)
    before = stem
    for number, width in enumerate(stages, start=1):
        for block in range(2):
            name = f"DAVEnet.layer{number}.{block}"
            make.convolution(f"{name}.conv1", before, width, (1, 9))
            make.norm(f"{name}.bn1", width)
            make.convolution(f"{name}.conv2", width, width, (1, 9))
            make.norm(f"{name}.bn2", width)
            if block == 0:
                make.convolution(f"{name}.downsample.0", before, width, (1, 1))
                make.norm(f"{name}.downsample.1", width)
            before = width
    make.linear("DAVEnet_projection", before, sizes.dim)
    make.gated("GU_audio", before, before)
    make.gated("GU_video", sizes.video, sizes.dim)
    if sizes.text:
        make.linear("text_pooling_caption.fc", sizes.words, sizes.dim)
        make.gated("GU_text_captions", sizes.dim, sizes.dim)
    if sizes.hidden is not None:
        for letter, width in {"v": sizes.video, "a": before, "t": sizes.dim}.items():
            make.linear(f"recon_{letter}.0", sizes.dim, sizes.hidden)
            make.linear(f"recon_{letter}.2", sizes.hidden, width)
    return make.state


def linear(state: State, name: str, values: torch.Tensor) -> torch.Tensor:
    return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def gated(state: State, name: str, values: torch.Tensor) -> torch.Tensor:
    mapped = linear(state, f"{name}.fc", values)
    return mapped / (1 + torch.exp(-linear(state, f"{name}.cg.fc", mapped)))


def video_vectors(state: State, values: torch.Tensor) -> torch.Tensor:
    """(rows, features) -> (rows, dim)."""
    return gated(state, "GU_video", values)


def pooled_words(state: State, sentences: list[torch.Tensor]) -> torch.Tensor:
    """Sentences of (words, features), cut or zero-padded to 20 -> (rows, dim): maximum over all 20, zeros included."""
    padded = torch.zeros(len(sentences), 20, sentences[0].shape[1], dtype=sentences[0].dtype)
    for row, words in enumerate(sentences):
        padded[row, : min(20, len(words))] = words[:20]
    return linear(state, "text_pooling_caption.fc", padded).clamp(min=0).amax(dim=1)


def text_vectors(state: State, sentences: list[torch.Tensor]) -> torch.Tensor:
    return gated(state, "GU_text_captions", pooled_words(state, sentences))


def normalized(state: State, name: str, values: torch.Tensor, training: bool) -> torch.Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    if training:
        mean, variance = values.mean(dim=(0, 2, 3)), values.var(dim=(0, 2, 3), unbiased=False)
    scale = state[f"{name}.weight"] / (variance + 1e-5).sqrt()
    return (values - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]


def trunk(state: State, spectrograms: torch.Tensor, training: bool) -> torch.Tensor:
    """(rows, mels, frames) -> (rows, width, frames / 16 rounded up)."""
    values = functional.conv2d(spectrograms[:, None], state["DAVEnet.conv1.weight"])
    values = normalized(state, "DAVEnet.bn1", values, training).relu()
    for stage in range(1, 5):
        for block in range(2):
            name, stride = f"DAVEnet.layer{stage}.{block}", 1 if block else 2
            inner = functional.conv2d(values, state[f"{name}.conv1.weight"], stride=stride, padding=(0, 4))
            inner = normalized(state, f"{name}.bn1", inner, training).relu()
            inner = functional.conv2d(inner, state[f"{name}.conv2.weight"], padding=(0, 4))
            inner = normalized(state, f"{name}.bn2", inner, training)
            if block == 0:
                values = functional.conv2d(values, state[f"{name}.downsample.0.weight"], stride=2)
                values = normalized(state, f"{name}.downsample.1", values, training)
            values = (inner + values).relu()
    return values[:, :, 0]


def pooled_audio(state: State, clips: list[torch.Tensor], frames: int, training: bool) -> torch.Tensor:
    """Clips of (frames, mels), cut or zero-padded to `frames` -> (rows, width).

    Training averages every position, padding included; evaluation the first max(1, n // 16), n the clip's own frames.
    """
    padded = torch.zeros(len(clips), clips[0].shape[1], frames, dtype=clips[0].dtype)
    for row, clip in enumerate(clips):
        padded[row, :, : min(frames, len(clip))] = clip[:frames].T
    positions = trunk(state, padded, training)
    if training:
        return positions.mean(dim=2)
    ratio = round(frames / positions.shape[2])
    counts = [max(1, min(frames, len(clip)) // ratio) for clip in clips]
    return torch.stack([positions[row, :, :count].mean(dim=1) for row, count in enumerate(counts)])


def audio_vectors(state: State, clips: list[torch.Tensor], frames: int, training: bool = False) -> torch.Tensor:
    pooled = pooled_audio(state, clips, frames, training)
    return linear(state, "DAVEnet_projection", gated(state, "GU_audio", pooled))


def reconstruction(state: State, letter: str, embeddings: torch.Tensor) -> torch.Tensor:
    """Decoder of a modality, with a ReLU at its end as well."""
    return linear(state, f"recon_{letter}.2", linear(state, f"recon_{letter}.0", embeddings).relu()).relu()


def in_double(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


@dataclass(frozen=True)
class Inputs:
    """Features of a few rows: pooled vectors, sentences from none to more than 20 words, clips short and long."""

    video: torch.Tensor
    sentences: list[torch.Tensor]
    clips: list[torch.Tensor]


def random_inputs(sizes: Sizes = Sizes(), words: tuple[int, ...] = (3, 25, 0, 1), seed: int = 1) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    return Inputs(
        torch.randn(4, sizes.video, generator=generator).double(),
        [torch.randn(count, sizes.words, generator=generator).double() for count in words],
        [torch.randn(frames, sizes.mels, generator=generator).double() - 4 for frames in (900, 7, 1100, 31)],
    )

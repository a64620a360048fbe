"""What adapters are measured on: the heads of MCN, MCN with its audio trunk, a transformer; each with a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from trichord.adapters.settings import LowRankConfig
from trichord.batch import Batch, Features
from trichord.curricula.freezing import training_mode
from trichord.data.specification import DatasetSpec, ModalitySpec
from trichord.encoders import JointEncoder, JointEncoderConfig
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.objectives import MaskedMarginSoftmaxConfig, ObjectiveConfig, PairwiseConfig, WeightedPairConfig
from trichord.randomness import torch_generator
from trichord.recipes.mcn import Size, mcn
from trichord.shapes import Float, Tensor
from trichord.training.system import System

WORDS, MAX_WORDS, WORD_WIDTH, MELS, VIDEO_WIDTH = 12, 20, 300, 40, 4096
INVERSE_TEMPERATURE = 20.0


@dataclass(frozen=True)
class Subject:
    """A base, what of it gets matrices, and the loss of one step.

    Args:
        setting: sizes, in words.
        base: the module that is adapted, with weights drawn from a fixed seed.
        loss: the loss of one batch through the base; no argument, because the batch stays the same.
        inputs: the tensors of that batch, which no way of learning can do without.
        adapters: what a way of placing matrices is called -> their settings, and the submodules they are put in.
        learning_mode: puts the base in the mode it learns in; told whether its own weights learn.
    """

    setting: str
    base: nn.Module
    loss: Callable[[], Float[Tensor, ""]]
    inputs: tuple[Tensor, ...]
    adapters: Mapping[str, tuple[LowRankConfig, tuple[str, ...]]]
    learning_mode: Callable[[bool], object]


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of a clustering network and of its batch; the widths are those published unless told otherwise."""

    batch_size: int
    dim: int = 6144
    video_width: int = VIDEO_WIDTH
    audio_widths: tuple[int, ...] = (128, 256, 512, 1024)
    frames: int = 1000


@dataclass(frozen=True)
class TransformerSize:
    """Sizes of a BERT and of its batch; the widths are those of bert-base unless told otherwise."""

    batch_size: int
    words: int = 64
    width: int = 768
    layers: int = 12
    vocabulary: int = 30522


def mcn_config(size: NetworkSize, names: tuple[str, ...]) -> JointEncoderConfig:
    """Return the encoders of the recipe `mcn` for pooled video, log-mel frames and word vectors, as far as named."""
    kinds = ((VIDEO, "pooled", size.video_width), (AUDIO, "sequence", MELS), (TEXT, "sequence", WORD_WIDTH))
    specs = tuple(ModalitySpec(m, kind, width, size.batch_size) for m, kind, width in kinds if m.name in names)
    data = DatasetSpec("benchmark", specs, size.batch_size, {"train": size.batch_size})
    order = "".join(entry.modality.letter for entry in specs)
    sizes = Size(dim=size.dim, audio_widths=size.audio_widths, training_frames=size.frames)
    return mcn(data, order, size=replace(sizes, evaluation_frames=size.frames)).model


def draw_batch(size: NetworkSize, names: tuple[str, ...]) -> Batch:
    """Return a batch in which every row holds every named modality at full length."""
    rows = torch.arange(size.batch_size)
    shapes = {VIDEO.name: (size.video_width,), AUDIO.name: (size.frames, MELS), TEXT.name: (WORDS, WORD_WIDTH)}
    features = {}
    for name in names:
        values = torch.rand(size.batch_size, *shapes[name], generator=torch_generator(0, f"benchmark {name}"))
        lengths = None if name == VIDEO.name else torch.full((size.batch_size,), shapes[name][0])
        features[name] = Features(values * (-80 if name == AUDIO.name else 1), rows, lengths)
    return Batch(rows, features)


def build_encoder(size: NetworkSize, names: tuple[str, ...]) -> JointEncoder:
    """Return the base with weights drawn from a fixed seed."""
    torch.manual_seed(0)
    encoder = mcn_config(size, names).build()
    assert isinstance(encoder, JointEncoder)
    return encoder


def network(size: NetworkSize, kind: Literal["heads", "with audio"]) -> Subject:
    """The pair V-T on the heads, or T-VA on the model with its audio trunk; the published contrast."""
    heads = kind == "heads"
    names = (VIDEO.name, TEXT.name) if heads else (VIDEO.name, AUDIO.name, TEXT.name)
    encoder, batch = build_encoder(size, names), draw_batch(size, names)
    pair = WeightedPairConfig(left=(TEXT.name,), right=tuple(name for name in names if name != TEXT.name))
    contrast = PairwiseConfig(objective=MaskedMarginSoftmaxConfig(margin=0.001), pairs=(pair,))
    objective = ObjectiveConfig(parts={"contrast": contrast})
    system = System(encoder, objective.build(), names)
    within = tuple(f"encoders.{name}" for name in names)
    adapters = {"linear layers": (LowRankConfig(), within)}
    if not heads:
        both = LowRankConfig(targets="linear and convolution")
        adapters = {"linear layers (frozen trunk)": (LowRankConfig(), within), "convolutions too": (both, within)}

    def learning_mode(base_learns: bool) -> None:
        training_mode(encoder.encoders, names if base_learns else (), () if base_learns else names)

    tensors = tuple(held.values for held in batch.features.values())
    audio = "" if heads else f", {size.frames} frames of audio"
    setting = f"MCN {'heads' if heads else 'with its audio trunk'}, width {size.dim}, {size.batch_size} rows{audio}"
    return Subject(setting, encoder, lambda: system(batch).total, tensors, adapters, learning_mode)


def transformer(size: TransformerSize) -> Subject:
    """A text tower against stored vectors of the other side, as an adapter of the query's side alone learns."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=max(1, size.width // 64),
        intermediate_size=4 * size.width,
    )
    model = BertModel(config, add_pooling_layer=False)
    generator = torch_generator(0, "benchmark sentences")
    words = torch.randint(size.vocabulary, (size.batch_size, size.words), generator=generator)
    stored = functional.normalize(torch.randn(size.batch_size, size.width, generator=generator), dim=1)

    def loss() -> Tensor:
        vectors = functional.normalize(model(input_ids=words).last_hidden_state.mean(dim=1), dim=1)
        return functional.cross_entropy(INVERSE_TEMPERATURE * vectors @ stored.T, torch.arange(size.batch_size))

    number = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    setting = f"BERT of {number:.0f} M parameters, {size.batch_size} x {size.words} words"
    adapters = {"query and value": (LowRankConfig(targets=r".*attention[.]self[.](query|value)"), ("",))}
    return Subject(setting, model, loss, (words, stored), adapters, lambda base_learns: model.train())

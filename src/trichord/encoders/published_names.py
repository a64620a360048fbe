"""What the parts of the published MCN network are called there and here.

The class `Net` of the reference (brian7685/Multimodal-Clustering-Network, and roudimit/AVLnet, which it grew from)
saves its plain state dictionary. n counts stages from 1, b blocks from 0; our stages count from 0.

| there | here |
|---|---|
| GU_video.fc, .cg.fc | encoders.video.unit.projection, .context |
| text_pooling_caption.fc | encoders.text.word |
| GU_text_captions.fc, .cg.fc | encoders.text.unit.projection, .context |
| DAVEnet.batchnorm1 (built, never called) | encoders.audio.trunk.input_norm |
| DAVEnet.conv1, .bn1 | encoders.audio.trunk.stem, .stem_norm |
| DAVEnet.layer{n}.{b}.conv1, .bn1 | encoders.audio.trunk.stages.{n - 1}.{b}.conv1, .norm1; the second ones likewise |
| DAVEnet.layer{n}.0.downsample.0, .1 | encoders.audio.trunk.stages.{n - 1}.0.shortcut, .shortcut_norm |
| GU_audio.fc, .cg.fc | encoders.audio.unit.projection, .context |
| DAVEnet_projection | encoders.audio.projection |
| recon_v, recon_a, recon_t: .0, .2 | decoders.video, .audio, .text: .0, .2, of `Reconstruction` |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trichord.encoders.resdavenet import BLOCKS_PER_STAGE, KERNEL_WIDTH
from trichord.modality import AUDIO, TEXT, VIDEO

DECODERS = {VIDEO.name: "recon_v", AUDIO.name: "recon_a", TEXT.name: "recon_t"}


@dataclass(frozen=True)
class PublishedSizes:
    """Sizes of a published model, as the shapes of its weights tell them.

    Args:
        dim: width of the joint space; 6144 as published.
        input_dims: modality -> width of its features, for the branches that are there; 4096, 40 and 300.
        audio_widths: channels of the stages of the audio trunk; empty without audio.
        decoder: width of the decoders' hidden layer; None without reconstruction.
    """

    dim: int
    input_dims: Mapping[str, int]
    audio_widths: tuple[int, ...] = ()
    decoder: int | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that have a branch."""
        return tuple(self.input_dims)

    def target_dim(self, modality: str) -> int:
        """Width of what a modality's decoder rebuilds: the features, the pooled trunk, the pooled words."""
        if modality == AUDIO.name:
            return self.audio_widths[-1]
        return self.dim if modality == TEXT.name else self.input_dims[modality]


@dataclass(frozen=True)
class NamePair:
    """One tensor by its two names.

    Args:
        published: name in the published file.
        ours: name in the state dictionary of `JointEncoder` or, for a decoder, of `Reconstruction`.
        shape: what it must have.
    """

    published: str
    ours: str
    shape: tuple[int, ...]


def encoder_names(sizes: PublishedSizes) -> tuple[NamePair, ...]:
    """Return both names and the shape of every tensor of the branches, in the order of the modalities."""
    pairs: list[NamePair] = []
    for name, width in sizes.input_dims.items():
        ours = f"encoders.{name}"
        if name == VIDEO.name:
            pairs += _gated("GU_video", f"{ours}.unit", width, sizes.dim)
        elif name == TEXT.name:
            pairs += _linear("text_pooling_caption.fc", f"{ours}.word", width, sizes.dim)
            pairs += _gated("GU_text_captions", f"{ours}.unit", sizes.dim, sizes.dim)
        else:
            last = sizes.audio_widths[-1]
            pairs += _trunk(f"{ours}.trunk", width, sizes.audio_widths)
            pairs += _gated("GU_audio", f"{ours}.unit", last, last)
            pairs += _linear("DAVEnet_projection", f"{ours}.projection", last, sizes.dim)
    return tuple(pairs)


def decoder_names(sizes: PublishedSizes) -> tuple[NamePair, ...]:
    """Return both names and the shape of every tensor of the decoders; none without reconstruction."""
    if sizes.decoder is None:
        return ()
    pairs: list[NamePair] = []
    for name in sizes.modalities:
        published, ours = DECODERS[name], f"decoders.{name}"
        pairs += _linear(f"{published}.0", f"{ours}.0", sizes.dim, sizes.decoder)
        pairs += _linear(f"{published}.2", f"{ours}.2", sizes.decoder, sizes.target_dim(name))
    return tuple(pairs)


def _trunk(ours: str, mels: int, widths: tuple[int, ...]) -> list[NamePair]:
    pairs = _norm("DAVEnet.batchnorm1", f"{ours}.input_norm", 1)
    pairs += [NamePair("DAVEnet.conv1.weight", f"{ours}.stem.weight", (widths[0], 1, mels, 1))]
    pairs += _norm("DAVEnet.bn1", f"{ours}.stem_norm", widths[0])
    for stage, (before, width) in enumerate(zip((widths[0], *widths), widths, strict=False)):
        for block in range(BLOCKS_PER_STAGE):
            there, here = f"DAVEnet.layer{stage + 1}.{block}", f"{ours}.stages.{stage}.{block}"
            inputs = width if block else before
            pairs += [NamePair(f"{there}.conv1.weight", f"{here}.conv1.weight", (width, inputs, 1, KERNEL_WIDTH))]
            pairs += _norm(f"{there}.bn1", f"{here}.norm1", width)
            pairs += [NamePair(f"{there}.conv2.weight", f"{here}.conv2.weight", (width, width, 1, KERNEL_WIDTH))]
            pairs += _norm(f"{there}.bn2", f"{here}.norm2", width)
        there, here = f"DAVEnet.layer{stage + 1}.0.downsample", f"{ours}.stages.{stage}.0.shortcut"
        pairs += [NamePair(f"{there}.0.weight", f"{here}.weight", (width, before, 1, 1))]
        pairs += _norm(f"{there}.1", f"{here}_norm", width)
    return pairs


def _gated(published: str, ours: str, inputs: int, outputs: int) -> list[NamePair]:
    projection = _linear(f"{published}.fc", f"{ours}.projection", inputs, outputs)
    return projection + _linear(f"{published}.cg.fc", f"{ours}.context", outputs, outputs)


def _linear(published: str, ours: str, inputs: int, outputs: int) -> list[NamePair]:
    shapes: dict[str, tuple[int, ...]] = {"weight": (outputs, inputs), "bias": (outputs,)}
    return [NamePair(f"{published}.{part}", f"{ours}.{part}", shape) for part, shape in shapes.items()]


def _norm(published: str, ours: str, width: int) -> list[NamePair]:
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (width,))
    shapes["num_batches_tracked"] = ()
    return [NamePair(f"{published}.{part}", f"{ours}.{part}", shape) for part, shape in shapes.items()]

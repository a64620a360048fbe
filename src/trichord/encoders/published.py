"""Weights of the published MCN and AVLnet code as weights of our encoders; `published_names` has the table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from trichord.encoders.published_names import DECODERS, NamePair, PublishedSizes, decoder_names, encoder_names
from trichord.errors import ConfigError, DataError, nearest
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.shapes import Tensor

BRANCHES = {
    VIDEO.name: ("GU_video.",),
    AUDIO.name: ("DAVEnet.", "GU_audio.", "DAVEnet_projection."),
    TEXT.name: ("text_pooling_caption.", "GU_text_captions."),
}
# Classifiers above the embeddings, of the variant `withMLP`; retrieval does not pass through them.
CLASSIFIERS = ("classification.", "classification2.", "classification3.", "projection_head.")
OTHER_MODELS = {
    "GU_audio_text.": "one gated unit for audio and text together (the variant tri_modal_fuse)",
    "nat_": "a second audio branch inside the video branch (AVLnet's variant natural_audio)",
}
REMEDY = "Take a file e{n}.pth that the class Net of the published MCN or AVLnet code has saved"
SHOWN = 20

Value = np.ndarray | Tensor


@dataclass(frozen=True)
class PublishedWeights:
    """A published state dictionary under our names.

    Args:
        sizes: of the branches that were taken.
        encoder: the whole state of a `JointEncoder`, float32, copies.
        decoders: the whole state of a `Reconstruction`; empty without reconstruction.
        set_aside: published names that were left out on purpose: classifiers above the embeddings (`withMLP`),
            branches that were not asked for, and decoders without a branch.
    """

    sizes: PublishedSizes
    encoder: dict[str, Tensor]
    decoders: dict[str, Tensor]
    set_aside: tuple[str, ...]


def published_weights(state: Mapping[str, Value], only: Collection[str] | None = None) -> PublishedWeights:
    """Rename a published state dictionary, every tensor of it or none.

    Args:
        state: as the reference saves it, with or without the "module." of DataParallel before every name.
        only: modalities to take; None takes every branch that the file holds. The ablations `no_audio` and `no_video`
            save the branch that no contrast trained all the same, and nothing in the file tells: name the others.

    Raises:
        DataError: names that are missing or unknown (all are listed), tensors of another shape or kind or with numbers
            that are not finite, another model of that code.
        ConfigError: `only` names none, or a modality that the file has no branch of.
    """
    plain = _without_prefix(state)
    sizes = published_sizes(plain)
    taken = sizes if only is None else _restricted(sizes, only)
    encoder = _renamed(plain, encoder_names(taken))
    decoders = _renamed(plain, decoder_names(taken))
    used = {pair.published for pair in (*encoder_names(taken), *decoder_names(taken))}
    return PublishedWeights(taken, encoder, decoders, tuple(sorted(set(plain) - used)))


def published_sizes(state: Mapping[str, Value]) -> PublishedSizes:
    """Read the sizes from the shapes, and hold every name and shape against them; values are not looked at.

    Raises:
        DataError: as `published_weights`, for names and shapes.
    """
    plain = _without_prefix(state)
    for prefix, meaning in OTHER_MODELS.items():
        if found := [name for name in plain if name.startswith(prefix)]:
            raise DataError(f"the weights have {meaning}, for which there is no encoder", row=found[0], remedy=REMEDY)
    sizes = _measured(plain)
    pairs = (*encoder_names(sizes), *decoder_names(sizes))
    expected = {pair.published: pair.shape for pair in pairs}
    aside = CLASSIFIERS + tuple(f"{DECODERS[name]}." for name in DECODERS if name not in sizes.modalities)
    faults = {
        "missing": [name for name in expected if name not in plain],
        "unknown": [name for name in plain if name not in expected and not name.startswith(aside)],
    }
    if not any(faults.values()):
        faults = {
            "of another shape than the rest asks for": [
                f"{name} {tuple(plain[name].shape)} instead of {shape}"
                for name, shape in expected.items()
                if tuple(plain[name].shape) != shape
            ]
        }
    _refuse(faults)
    return sizes


def _without_prefix(state: Mapping[str, Value]) -> dict[str, Value]:
    prefixed = [name.startswith("module.") for name in state]
    return {name.removeprefix("module.") if all(prefixed) else name: value for name, value in state.items()}


def _measured(state: Mapping[str, Value]) -> PublishedSizes:
    """Return the sizes; what a missing tensor would tell is 1, since its absence is reported by name."""

    def extent(name: str, axis: int) -> int:
        shape = tuple(state[name].shape) if name in state else ()
        return max(1, shape[axis]) if axis < len(shape) else 1

    inputs = {
        VIDEO.name: ("GU_video.fc.weight", 1),
        AUDIO.name: ("DAVEnet.conv1.weight", 2),
        TEXT.name: ("text_pooling_caption.fc.weight", 1),
    }
    outputs = {
        VIDEO.name: "GU_video.fc.weight",
        AUDIO.name: "DAVEnet_projection.weight",
        TEXT.name: "text_pooling_caption.fc.weight",
    }
    held = [name for name, prefixes in BRANCHES.items() if any(key.startswith(prefixes) for key in state)]
    if not held:
        named = ", ".join(sorted(state)[:3]) or "nothing at all"
        raise DataError(f"none of these weights are of a branch of MCN; there is {named}", remedy=REMEDY)
    stages = max([1, *(int(n) for key in state for n in re.findall(r"^DAVEnet\.layer(\d{1,2})\.", key))])
    widths = tuple(extent(f"DAVEnet.layer{n + 1}.0.conv1.weight", 0) for n in range(stages))
    hidden = [extent(f"{DECODERS[name]}.0.weight", 0) for name in held]
    decoded = any(key.startswith(f"{DECODERS[name]}.") for name in held for key in state)
    return PublishedSizes(
        dim=max(extent(outputs[name], 0) for name in held),
        input_dims={name: extent(*inputs[name]) for name in held},
        audio_widths=widths if AUDIO.name in held else (),
        decoder=max(hidden) if decoded else None,
    )


def _restricted(sizes: PublishedSizes, only: Collection[str]) -> PublishedSizes:
    if not only:
        raise ConfigError(f"name one modality or more to take; known: {', '.join(sizes.modalities)}")
    for name in only:
        if name not in sizes.modalities:
            raise ConfigError(f"these weights have no {name!r} branch; {nearest(name, sizes.modalities)}")
    kept = {name: width for name, width in sizes.input_dims.items() if name in only}
    return replace(sizes, input_dims=kept, audio_widths=sizes.audio_widths if AUDIO.name in kept else ())


def _renamed(state: Mapping[str, Value], pairs: tuple[NamePair, ...]) -> dict[str, Tensor]:
    """Return copies under our names: float32, and int64 for what counts batches."""
    renamed: dict[str, Tensor] = {}
    faults: dict[str, list[str]] = {"of another kind of number": [], "not finite": []}
    for pair in pairs:
        value = state[pair.published]
        tensor = torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value.detach()
        counts = pair.published.endswith(".num_batches_tracked")
        if tensor.dtype not in ((torch.int64,) if counts else (torch.float32, torch.float16, torch.bfloat16)):
            faults["of another kind of number"].append(f"{pair.published} {tensor.dtype}")
        elif not bool(torch.isfinite(tensor).all()):
            faults["not finite"].append(pair.published)
        else:
            renamed[pair.ours] = tensor.to(torch.int64 if counts else torch.float32, copy=True).contiguous()
    _refuse(faults)
    return renamed


def _refuse(faults: Mapping[str, list[str]]) -> None:
    """Raise one `DataError` that lists every fault, the first `SHOWN` of a kind by name."""
    parts = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in faults.items() if names]
    if parts:
        raise DataError(f"the weights are not those of a published MCN; tensors {'; '.join(parts)}", remedy=REMEDY)


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")

"""Tiny checkpoints with random weights, written as transformers writes them, and a tiny data set of raw inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from trichord.data import Dataset, ModalityArrays, write_dataset

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ("a", "red", "green", "blue", "square", "on", "grey", "paper", "small", "large", "bright", "dark")
COLOURS = ("red", "green", "blue")
RATE = 16000


def save(folder: Path, model: Any, processor: Any) -> Path:
    """Write a model and its processor as a checkpoint, silently."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
    return folder


def tiny_vit(folder: Path, seed: int = 0) -> Path:
    """ViT: 16 x 16 pixels, 16 wide, two layers."""
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(seed)
    model = ViTModel(ViTConfig(image_size=16, patch_size=8, initializer_range=0.2, **SIZES))
    return save(folder, model, ViTImageProcessorPil(size={"height": 16, "width": 16}))


def tiny_bert(folder: Path, seed: int = 0) -> Path:
    """BERT: the words of `raw_dataset`, 16 wide, two layers."""
    from transformers import BertConfig, BertModel, BertTokenizer

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    torch.manual_seed(seed)
    sizes = {"vocab_size": len(names), "max_position_embeddings": 32, "initializer_range": 0.2}
    model = BertModel(BertConfig(**sizes, **SIZES))
    return save(folder, model, BertTokenizer(vocab={name: number for number, name in enumerate(names)}))


def tiny_ast(folder: Path, seed: int = 0) -> Path:
    """Audio Spectrogram Transformer: 32 frames of 16 mel bands (0.34 s at 16 kHz), 16 wide, two layers."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    sizes = {"num_mel_bins": 16, "max_length": 32}
    strides = {"patch_size": 8, "frequency_stride": 8, "time_stride": 8}
    torch.manual_seed(seed)
    model = ASTModel(ASTConfig(initializer_range=0.2, **sizes, **strides, **SIZES))
    return save(folder, model, ASTFeatureExtractor(sampling_rate=RATE, **sizes))


def raw_dataset(
    folder: Path,
    modalities: tuple[str, ...] = ("video", "text"),
    items: int = 60,
    seed: int = 0,
    missing: bool = False,
) -> Dataset:
    """Write items of three classes (label "colour") that every modality alone tells apart within a few epochs.

    Args:
        folder: where to.
        modalities: among "video" (an image of 16 x 16 pixels in the colour, with noise), "text" (a caption that names
            the colour) and "audio" (0.2 s of a tone at 16 kHz, whose pitch is the
            class). A name that begins with "clip" is a modality (letter C) of two to four such images.
        items: their number; three of five in train, one each in val and test.
        seed: of everything drawn.
        missing: every seventh item lacks the first modality.
    """
    random = np.random.default_rng(seed)
    classes = np.arange(items) % len(COLOURS)
    held = np.array([row for row in range(items) if not (missing and row % 7 == 3)], dtype=np.int64)
    everyone = np.arange(items, dtype=np.int64)
    table = {
        "id": [f"item{row}" for row in range(items)],
        "split": [("train", "train", "train", "val", "test")[row // len(COLOURS) % 5] for row in range(items)],
        "colour": [COLOURS[number] for number in classes],
        "captions": [[_caption(int(number), random)] for number in classes],
    }
    if missing and modalities[0] == "text":
        table["captions"] = [found if row in set(held.tolist()) else [] for row, found in enumerate(table["captions"])]
    made: dict[str, ModalityArrays] = {}
    for place, name in enumerate(modalities):
        rows = held if place == 0 else everyone
        if name == "text":
            made[name] = ModalityArrays(None, kind="text")
        elif name == "audio":
            tones = [_tone(int(classes[row]), random) for row in rows]
            offsets = np.concatenate([[0], np.cumsum([len(tone) for tone in tones])]).astype(np.int64)
            made[name] = ModalityArrays(np.concatenate(tones), rows, offsets, kind="waveform", rate=RATE)
        elif name == "video":
            images = np.stack([_image(int(classes[row]), random) for row in rows])
            made[name] = ModalityArrays(images, rows, kind="image")
        else:
            counts = 2 + rows % 3
            frames = np.stack([_image(int(classes[row]), random) for row in np.repeat(rows, counts)])
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            made[name] = ModalityArrays(frames, rows, offsets, letter="C", kind="frames")
    return write_dataset(folder, name="colours", items=table, modalities=made)


def _image(number: int, random: np.random.Generator) -> np.ndarray:
    image = random.integers(0, 90, (16, 16, 3))
    image[..., number] += 120
    return image.astype(np.uint8)


def _caption(number: int, random: np.random.Generator) -> str:
    size, tone = random.choice(["small", "large"]), random.choice(["bright", "dark"])
    return f"a {size} {tone} {COLOURS[number]} square on grey paper"


def _tone(number: int, random: np.random.Generator) -> np.ndarray:
    length = int(random.integers(2800, 3600))
    wave = np.sin(2 * np.pi * (300.0 * 3**number) * np.arange(length) / RATE + random.uniform(0, 6))
    return (0.3 * wave + 0.02 * random.standard_normal(length)).astype(np.float32)

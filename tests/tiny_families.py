"""Tiny checkpoints of the rarer families, each written as transformers writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tiny_backbones import RATE, SIZES, WORDS, save

IMAGE = {"image_size": 16, "patch_size": 8}
SQUARE = {"height": 16, "width": 16}
MARKS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def tiny_dinov2(folder: Path) -> Path:
    """DINOv2, whose checkpoints bring a mask token that no image uses."""
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    sizes = {name: size for name, size in SIZES.items() if name != "intermediate_size"}
    model = Dinov2Model(Dinov2Config(**IMAGE, **sizes, initializer_range=0.2))
    return save(folder, model, BitImageProcessorPil(size={"shortest_edge": 16}, crop_size=SQUARE))


def _letters() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the vocabulary of a byte-level tokenizer that knows single letters, and no merge."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    names = [*MARKS, "Ġ", *letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return {name: number for number, name in enumerate(names)}, []


def tiny_clip(folder: Path) -> Path:
    """A whole CLIP: two towers, and the processor of both in one file."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    words, merges = _letters()
    ends = {"bos_token_id": words["<|startoftext|>"], "eos_token_id": words["<|endoftext|>"]}
    text = {**SIZES, **ends, "vocab_size": len(words), "max_position_embeddings": 64, "pad_token_id": 1}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={**SIZES, **IMAGE}, projection_dim=8))
    shaken(model)
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=SQUARE)
    return save(folder, model, CLIPProcessor(images, CLIPTokenizer(vocab=words, merges=merges)))


def tiny_siglip(folder: Path) -> Path:
    """A whole SigLIP: two towers, an image processor and a tokenizer."""
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessorPil, SiglipModel

    text = {**SIZES, "vocab_size": 32, "max_position_embeddings": 12, "pad_token_id": 1}
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config={**SIZES, **IMAGE}))
    shaken(model)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_word_tokenizer(), unk_token="<unk>", pad_token="<pad>", eos_token="</s>"
    )
    save(folder, model, SiglipImageProcessorPil(size=SQUARE))
    tokenizer.save_pretrained(folder)
    return folder


def _word_tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    names = {name: number for number, name in enumerate((*MARKS, *WORDS))}
    tokenizer = Tokenizer(WordLevel(names, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


def tiny_wav2vec2(folder: Path, norm: str = "layer") -> Path:
    """Wav2Vec2 with three convolutions; "group" normalises over time, as the base model does."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    convolutions = {"conv_dim": (8, 8, 8), "conv_kernel": (10, 3, 2), "conv_stride": (5, 4, 4)}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    stable = norm == "layer"
    config = Wav2Vec2Config(
        **SIZES, **convolutions, **positions, feat_extract_norm=norm, do_stable_layer_norm=stable, conv_bias=stable
    )
    torch.manual_seed(0)
    model = shaken(Wav2Vec2Model(config))
    return save(folder, model, Wav2Vec2FeatureExtractor(sampling_rate=RATE, return_attention_mask=stable))


def tiny_whisper(folder: Path) -> Path:
    """Whisper that hears one second: 100 frames of 16 mel bands."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    sides = {f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    marks = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    widths = {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 30}
    torch.manual_seed(0)
    model = WhisperModel(WhisperConfig(**sides, **marks, **widths, num_mel_bins=16, max_source_positions=50))
    return save(folder, shaken(model), WhisperFeatureExtractor(feature_size=16, chunk_length=1, n_fft=400))


def tiny_roberta(folder: Path) -> Path:
    """RoBERTa, with letters as tokens."""
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    words, merges = _letters()
    sizes = {"vocab_size": len(words), "max_position_embeddings": 60, "pad_token_id": 1}
    torch.manual_seed(0)
    model = RobertaModel(RobertaConfig(**SIZES, **sizes, initializer_range=0.2))
    return save(folder, model, RobertaTokenizer(vocab=words, merges=merges))


def tiny_distilbert(folder: Path) -> Path:
    """DistilBERT: the words of `raw_dataset`."""
    from transformers import DistilBertConfig, DistilBertModel, DistilBertTokenizer

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 32}
    torch.manual_seed(0)
    model = DistilBertModel(DistilBertConfig(vocab_size=len(names), initializer_range=0.2, **sizes))
    return save(folder, model, DistilBertTokenizer(vocab={name: number for number, name in enumerate(names)}))


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Make all weights differ, so that a vector shows it when something is left out."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model

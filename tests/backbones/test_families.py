"""Every family: what the whole path gives, from the data set to a vector, against transformers called directly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_backbones
import tiny_families
import torch
from tiny_backbones import RATE, raw_dataset

from trichord.adapters.targets import find_targets
from trichord.batch import Encoded, Features
from trichord.data import Dataset, collate
from trichord.data.raw_storage import StoredRaw
from trichord.encoders.backbone import Backbone, attention_targets, describe_backbone
from trichord.runs.prepared_data import prepared_view

ROWS = np.arange(6)


@dataclass(frozen=True)
class Case:
    """A family, where it is read from, and its vector of one raw input alone, computed without our code."""

    make: Callable[[Path], Path]
    modality: str
    reference: Callable[[Any, Path, Any], torch.Tensor]
    targets: int
    pooling: str | None = None


@cache
def _network(name: str, folder: Path) -> Any:
    import transformers

    return getattr(transformers, name).from_pretrained(folder).eval()


def _pixels(processor: str, images: Any, folder: Path, transformers: Any) -> torch.Tensor:
    made: torch.Tensor = getattr(transformers, processor).from_pretrained(folder)(images, return_tensors="pt")
    return made["pixel_values"]


def _vit(transformers: Any, folder: Path, image: Any) -> torch.Tensor:
    model = _network("ViTModel", folder)
    return model(_pixels("ViTImageProcessorPil", image, folder, transformers)).last_hidden_state[0, 0]


def _dinov2(transformers: Any, folder: Path, image: Any) -> torch.Tensor:
    model = _network("Dinov2Model", folder)
    return model(_pixels("BitImageProcessorPil", image, folder, transformers)).pooler_output[0]


def _clip_image(transformers: Any, folder: Path, image: Any) -> torch.Tensor:
    whole = _network("CLIPModel", folder)
    return whole.vision_model(_pixels("CLIPImageProcessorPil", image, folder, transformers)).pooler_output[0]


def _clip_text(transformers: Any, folder: Path, text: Any) -> torch.Tensor:
    ids = transformers.CLIPTokenizer.from_pretrained(folder)(
        [text], return_tensors="pt", truncation=True, max_length=64
    )
    whole = _network("CLIPModel", folder)
    return whole.text_model(ids["input_ids"]).last_hidden_state[0, -1]  # the end token is the last one


def _siglip_image(transformers: Any, folder: Path, image: Any) -> torch.Tensor:
    whole = _network("SiglipModel", folder)
    return whole.vision_model(_pixels("SiglipImageProcessorPil", image, folder, transformers)).pooler_output[0]


def _siglip_text(transformers: Any, folder: Path, text: Any) -> torch.Tensor:
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    ids = tokenizer([text], return_tensors="pt", padding="max_length", max_length=12, truncation=True)["input_ids"]
    return _network("SiglipModel", folder).text_model(ids).pooler_output[0]


def _ast(transformers: Any, folder: Path, wave: Any) -> torch.Tensor:
    made = transformers.ASTFeatureExtractor.from_pretrained(folder)(wave, sampling_rate=RATE, return_tensors="pt")
    states = _network("ASTModel", folder)(**made).last_hidden_state[0]
    return (states[0] + states[1]) / 2


def _wav2vec2(transformers: Any, folder: Path, wave: Any) -> torch.Tensor:
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    values = extractor(wave, sampling_rate=RATE, return_tensors="pt")["input_values"]
    return _network("Wav2Vec2Model", folder)(values).last_hidden_state[0].mean(dim=0)


def _whisper(transformers: Any, folder: Path, wave: Any) -> torch.Tensor:
    made = transformers.WhisperFeatureExtractor.from_pretrained(folder)(wave, sampling_rate=RATE, return_tensors="pt")
    states = _network("WhisperModel", folder).encoder(made["input_features"]).last_hidden_state
    return states[0, : math.ceil(len(wave) / 320)].mean(dim=0)


def _text_mean(model: str, tokenizer: str) -> Callable[[Any, Path, Any], torch.Tensor]:
    def reference(transformers: Any, folder: Path, text: Any) -> torch.Tensor:
        ids = getattr(transformers, tokenizer).from_pretrained(folder)([text], return_tensors="pt")
        states = _network(model, folder)(**ids).last_hidden_state
        return states[0].mean(dim=0)

    return reference


def _bert_first(transformers: Any, folder: Path, text: Any) -> torch.Tensor:
    ids = transformers.BertTokenizer.from_pretrained(folder)([text], return_tensors="pt")
    return _network("BertModel", folder)(**ids).last_hidden_state[0, 0]


def _frames(transformers: Any, folder: Path, frames: Any) -> torch.Tensor:
    return torch.stack([_vit(transformers, folder, frame) for frame in frames]).mean(dim=0)


CASES = {
    "ViT": Case(tiny_backbones.tiny_vit, "video", _vit, 4),
    "ViT on frames": Case(tiny_backbones.tiny_vit, "clip", _frames, 4),
    "DINOv2": Case(tiny_families.tiny_dinov2, "video", _dinov2, 4),
    "CLIP vision": Case(tiny_families.tiny_clip, "video", _clip_image, 4),
    "CLIP text": Case(tiny_families.tiny_clip, "text", _clip_text, 4),
    "SigLIP vision": Case(tiny_families.tiny_siglip, "video", _siglip_image, 4),
    "SigLIP text": Case(tiny_families.tiny_siglip, "text", _siglip_text, 4),
    "AST": Case(tiny_backbones.tiny_ast, "audio", _ast, 4),
    "Wav2Vec2": Case(tiny_families.tiny_wav2vec2, "audio", _wav2vec2, 4),
    "Wav2Vec2, normalised over time": Case(
        lambda folder: tiny_families.tiny_wav2vec2(folder, "group"), "audio", _wav2vec2, 4
    ),
    "Whisper encoder": Case(tiny_families.tiny_whisper, "audio", _whisper, 4),
    "BERT": Case(tiny_backbones.tiny_bert, "text", _text_mean("BertModel", "BertTokenizer"), 4),
    "BERT, first token": Case(tiny_backbones.tiny_bert, "text", _bert_first, 4, "first"),
    "RoBERTa": Case(tiny_families.tiny_roberta, "text", _text_mean("RobertaModel", "RobertaTokenizer"), 4),
    "DistilBERT": Case(tiny_families.tiny_distilbert, "text", _text_mean("DistilBertModel", "DistilBertTokenizer"), 4),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return raw_dataset(tmp_path_factory.mktemp("raw") / "colours", ("video", "audio", "text", "clip"), items=6)


@dataclass(frozen=True)
class Loaded:
    case: Case
    folder: Path
    encoder: Backbone
    features: Features
    inputs: list[Any]


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def loaded(request: pytest.FixtureRequest, raw: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    case: Case = request.param
    folder = case.make(tmp_path_factory.mktemp("checkpoint") / "tiny")
    header = raw.stored(case.modality).header
    config = describe_backbone(str(folder), header.kind, rate=header.rate, pooling=case.pooling)
    view = prepared_view(raw, {case.modality: config})
    features = collate(view, ROWS, (case.modality,)).features[case.modality]
    stored = raw.stored(case.modality)
    assert isinstance(stored, StoredRaw)
    return Loaded(case, folder, config.build().eval(), features, stored.raw(ROWS))


def test_vectors_are_those_of_transformers_called_on_each_raw_input_alone(loaded: Loaded) -> None:
    import transformers

    with torch.no_grad():
        found: Encoded = loaded.encoder(loaded.features)
        alone = torch.stack([loaded.case.reference(transformers, loaded.folder, one) for one in loaded.inputs])
    torch.testing.assert_close(found.embedding, alone, atol=2e-5, rtol=2e-4)
    assert torch.pdist(alone).min() > 1e-3, "the inputs can be told apart"


def test_padding_does_not_change_a_vector(loaded: Loaded) -> None:
    features = loaded.features
    if features.lengths is None:
        pytest.skip("nothing is padded")
    if loaded.encoder.family.name in ("Whisper encoder", "SigLIP text"):
        pytest.skip("every input is of one length")
    wider = torch.cat([features.values, torch.full_like(features.values[:, :3], 1)], dim=1)
    with torch.no_grad():
        plain: Encoded = loaded.encoder(features)
        padded: Encoded = loaded.encoder(Features(wider, features.rows, features.lengths))
    torch.testing.assert_close(padded.embedding, plain.embedding, atol=1e-5, rtol=1e-4)


def test_every_weight_has_a_gradient_and_no_rows_give_zeros(loaded: Loaded) -> None:
    encoder = loaded.encoder
    encoder.zero_grad()
    encoded: Encoded = encoder(loaded.features)
    (encoded.embedding * torch.randn_like(encoded.embedding)).sum().backward()  # type: ignore[no-untyped-call]
    without = [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    # The bias of a key adds the same to every score of a softmax, and so does nothing.
    assert [
        name for name in without if not ("bias" in name and any(k in name for k in ("k_proj", "k_lin", "key")))
    ] == []
    encoder.zero_grad()
    none: Encoded = encoder(encoder.empty_features())
    assert none.embedding.shape == (0, encoder.output_dim)
    none.embedding.sum().backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and not weight.grad.any() for weight in encoder.parameters())
    encoder.zero_grad()


def test_query_and_value_of_every_layer_are_the_targets(loaded: Loaded) -> None:
    config_like = describe_backbone(
        str(loaded.folder), loaded.encoder.reads, rate=RATE if loaded.encoder.reads == "waveform" else None
    )
    names = find_targets(loaded.encoder, attention_targets(config_like))
    assert len(names) == loaded.case.targets, names
    assert not [name for name in names if ".k" in name or "key" in name or "o_proj" in name]
    assert len(find_targets(loaded.encoder, "linear")) > len(names)

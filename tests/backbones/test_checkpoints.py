"""What can be wrong with a checkpoint, and that nothing is unpickled or downloaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_backbones import RATE, save, tiny_ast, tiny_bert, tiny_vit

from trichord.backbones import FAMILIES, find_family, open_checkpoint
from trichord.backbones.checkpoint import check_weights
from trichord.encoders.backbone import describe_backbone
from trichord.errors import ConfigError


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("originals")
    return {make.__name__: make(folder / make.__name__) for make in (tiny_vit, tiny_bert, tiny_ast)}


@pytest.fixture
def copies(originals: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    return {name: Path(shutil.copytree(folder, tmp_path / name)) for name, folder in originals.items()}


def change_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change_processor(folder: Path, **changes: Any) -> None:
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def pickled_only(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def weights_cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def a_weight_missing(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["layernorm.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def a_weight_of_another_shape(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["layernorm.weight"] = torch.ones(17)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config.json": (without("config.json"), "holds no config.json"),
    "config.json is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
    "config.json is a list": (lambda folder: (folder / "config.json").write_text("[]"), "None is not supported"),
    "another architecture": (
        lambda folder: change_config(folder, model_type="swin", architectures=["SwinModel"]),
        r"architecture 'swin' \(SwinModel\) is not supported; supported are image: ViT, DINOv2, CLIP vision",
    ),
    "no architecture": (lambda folder: change_config(folder, model_type=None), "not supported; supported are"),
    "another width": (
        lambda folder: change_config(folder, hidden_size=24),
        "not all there, or of another shape than config.json says: embeddings.cls_token, .* and 33 more",
    ),
    "another number of heads": (
        lambda folder: change_config(folder, num_attention_heads=5),
        "of another shape than config.json says: layers.0.attention.k_proj",
    ),
    "no weights": (without("model.safetensors"), "holds no model.safetensors. Write"),
    "pickled weights": (pickled_only, "pytorch_model.bin is not read, since unpickling can run code"),
    "weights cut short": (weights_cut_short, "weights of ViT cannot be loaded"),
    "a weight missing": (a_weight_missing, "not all there, .*: layernorm.weight"),
    "a weight of another shape": (
        a_weight_of_another_shape,
        "of another shape than config.json says: layernorm.weight",
    ),
    "no processor": (without("preprocessor_config.json"), "lacks the files of its image processor"),
    "a processor of nothing": (
        lambda folder: change_processor(folder, image_processor_type="os"),
        "'os', which is no processor",
    ),
    "an unknown processor": (
        lambda folder: change_processor(folder, image_processor_type="NoSuchImageProcessor"),
        "has no processor 'NoSuchImageProcessor'",
    ),
    "images of another size": (
        lambda folder: change_processor(folder, size={"height": 24, "width": 24}),
        r"makes inputs of shape \(3, 24, 24\), its network reads \(3, 16, 16\)",
    ),
}


@pytest.mark.parametrize(("damage", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_checkpoint_is_one_clear_sentence(
    copies: dict[str, Path], damage: Callable[[Path], Any], message: str
) -> None:
    folder = copies["tiny_vit"]
    damage(folder)
    with pytest.raises(ConfigError, match=message) as caught:
        describe_backbone(str(folder), "image")
    assert str(folder) in str(caught.value)


def test_a_text_checkpoint_without_tokenizer(copies: dict[str, Path]) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copies["tiny_bert"] / name).unlink()
    with pytest.raises(ConfigError, match=r"lacks the files of its tokenizer \(tokenizer.json\)"):
        describe_backbone(str(copies["tiny_bert"]), "text")


def test_a_tokenizer_of_more_words_than_the_network_knows(copies: dict[str, Path]) -> None:
    file = copies["tiny_bert"] / "tokenizer.json"
    described = json.loads(file.read_text())
    described["model"]["vocab"]["purple"] = 17
    file.write_text(json.dumps(described))
    with pytest.raises(ConfigError, match="its tokenizer has 18 tokens, its network 17"):
        describe_backbone(str(copies["tiny_bert"]), "text")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("tiny_vit", "text", "ViT reads images, and here a network for the kind 'text' is needed; text: BERT"),
        ("tiny_bert", "image", "BERT reads texts, and here a network for the kind 'image' is needed; image: ViT"),
        ("tiny_ast", "frames", "AST reads waveforms, and here a network for the kind 'frames'"),
    ],
)
def test_a_network_for_another_kind_of_input(originals: dict[str, Path], name: str, kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        describe_backbone(str(originals[name]), kind)


def test_nothing_is_resampled(originals: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"8000 samples per second, and .*tiny_ast reads 16000; resample them"):
        describe_backbone(str(originals["tiny_ast"]), "waveform", rate=8000)


def test_a_spectrogram_of_another_length(copies: dict[str, Path]) -> None:
    change_processor(copies["tiny_ast"], max_length=40)
    with pytest.raises(ConfigError, match=r"shape \(40, 16\), its network reads \(32, 16\)"):
        describe_backbone(str(copies["tiny_ast"]), "waveform", rate=RATE)


@pytest.mark.parametrize("source", ["nobody/no-such-network", "no-such-network"])
def test_a_name_that_was_not_downloaded(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*arguments: Any, **more: Any) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ConfigError, match=f"{source!r} is neither a folder nor .* downloaded.*hf download {source}"):
        open_checkpoint(source, "image")


@pytest.mark.parametrize("source", ["", "/no/such/folder", "../nowhere/at/all", "a b"])
def test_a_folder_that_is_not_there(source: str) -> None:
    with pytest.raises(ConfigError, match="is no folder with a checkpoint"):
        open_checkpoint(source, "image")


def test_a_name_that_was_downloaded_is_found_in_the_cache(
    originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--somebody--tiny"
    snapshot = Path(shutil.copytree(originals["tiny_vit"], repository / "snapshots" / ("0" * 40)))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert open_checkpoint("somebody/tiny", "image").folder == snapshot
    config = describe_backbone("somebody/tiny", "image")
    assert config.weights == describe_backbone(str(originals["tiny_vit"]), "image").weights


def test_checkpoints_of_classifiers_bring_the_network_in_them(tmp_path: Path) -> None:
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        BertTokenizer,
        ViTConfig,
        ViTForImageClassification,
        ViTImageProcessorPil,
    )

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vit = ViTForImageClassification(ViTConfig(image_size=16, patch_size=8, **sizes))
    images = save(tmp_path / "vit", vit, ViTImageProcessorPil(size={"height": 16, "width": 16}))
    bert = BertForMaskedLM(BertConfig(vocab_size=5, max_position_embeddings=8, **sizes))
    names = {name: number for number, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))}
    texts = save(tmp_path / "bert", bert, BertTokenizer(vocab=names))
    for folder, kind, model in ((images, "image", vit.vit), (texts, "text", bert.bert)):
        encoder = describe_backbone(str(folder), kind).build()
        for name, tensor in model.state_dict().items():
            assert torch.equal(encoder.model.state_dict()[name], tensor), name


def test_safetensors_in_parts_count_as_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    check_weights(tmp_path)


def test_families_are_found_by_name() -> None:
    assert [find_family(family.name) for family in FAMILIES] == list(FAMILIES)
    with pytest.raises(ConfigError, match="did you mean 'DINOv2'"):
        find_family("DINOv1")


def test_transformers_loads_only_when_it_is_used() -> None:
    code = "import sys, trichord.encoders.backbone, trichord.data.prepared; print('transformers' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"

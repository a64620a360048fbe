"""Pretrained networks as encoders: configuration, matrices, what is checked, and building without the original."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_backbones import COLOURS, RATE, raw_dataset, tiny_ast, tiny_bert, tiny_vit
from torch.nn import functional

from trichord.adapters.lora import LowRank, plain_state
from trichord.adapters.settings import LowRankConfig
from trichord.backbones import load_model, open_checkpoint
from trichord.batch import Encoded, Features
from trichord.config import from_dict
from trichord.data import Dataset, collate
from trichord.encoders.backbone import (
    Backbone,
    BackboneConfig,
    attention_targets,
    describe_backbone,
    relocated,
    save_backbone_files,
)
from trichord.encoders.beforehand import still_depth
from trichord.errors import ConfigError, DataError
from trichord.runs.prepared_data import prepared_view


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    for make in (tiny_vit, tiny_bert, tiny_ast):
        make(folder / make.__name__)
    raw_dataset(folder / "data", ("video", "audio", "text", "clip"), items=30)
    return folder


@pytest.fixture(scope="module")
def configs(places: Path) -> dict[str, BackboneConfig]:
    return {
        "video": describe_backbone(str(places / "tiny_vit"), "image"),
        "audio": describe_backbone(str(places / "tiny_ast"), "waveform", rate=RATE),
        "text": describe_backbone(str(places / "tiny_bert"), "text"),
        "clip": describe_backbone(str(places / "tiny_vit"), "frames"),
    }


@pytest.fixture(scope="module")
def view(places: Path, configs: dict[str, BackboneConfig]) -> Dataset:
    return prepared_view(Dataset.open(places / "data"), configs)


def features_of(view: Dataset, name: str, number: int = 4) -> Features:
    return collate(view, np.arange(number), (name,)).features[name]


NAMES = ("video", "audio", "text", "clip")


@pytest.mark.parametrize("name", NAMES)
def test_configurations_survive_and_build_the_same_encoder(
    configs: dict[str, BackboneConfig], view: Dataset, name: str
) -> None:
    config = configs[name]
    assert from_dict(config.to_dict()) == config
    encoder: Backbone = config.build().eval()
    encoded: Encoded = encoder(features_of(view, name))
    assert encoded.embedding.shape == encoded.target.shape == (4, config.output_dim)
    again: Encoded = from_dict(config.to_dict()).build().eval()(features_of(view, name))
    assert torch.equal(encoded.embedding, again.embedding)
    assert config.kind == {entry.modality.name: entry.kind for entry in view.spec.modalities}[name]
    assert config.input_dim == {entry.modality.name: entry.dim for entry in view.spec.modalities}[name]


@pytest.mark.parametrize("name", NAMES)
def test_runs_under_autocast(configs: dict[str, BackboneConfig], view: Dataset, name: str) -> None:
    encoder: Backbone = configs[name].build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded: Encoded = encoder(features_of(view, name))
    assert torch.isfinite(encoded.embedding.float()).all()
    encoded.embedding.float().sum().backward()  # type: ignore[no-untyped-call]


def test_frames_are_averaged_over_the_true_ones(configs: dict[str, BackboneConfig], view: Dataset) -> None:
    features = features_of(view, "clip")
    assert features.lengths is not None
    assert features.lengths.tolist() == [2, 3, 4, 2]
    still: Backbone = configs["video"].build().eval()
    encoded: Encoded = configs["clip"].build().eval()(features)
    for row, length in enumerate(features.lengths.tolist()):
        images = Features(features.values[row, :length], torch.arange(length))
        each: Encoded = still(images)
        torch.testing.assert_close(encoded.embedding[row], each.embedding.mean(dim=0))
    spoilt = features.values.clone()
    spoilt[0, 2:] = torch.nan
    again: Encoded = configs["clip"].build().eval()(Features(spoilt, features.rows, features.lengths))
    assert torch.equal(again.embedding, encoded.embedding)


WRONG = {
    "vectors": ("video", Features(torch.zeros(2, 3), torch.arange(2)), r"shape \(any, 3, 16, 16\) without lengths"),
    "images of another size": ("video", Features(torch.zeros(2, 3, 8, 8), torch.arange(2)), r"shape \(2, 3, 8, 8\)"),
    "lengths of images": (
        "video",
        Features(torch.zeros(2, 3, 16, 16), torch.arange(2), torch.ones(2, dtype=torch.long)),
        "without lengths",
    ),
    "images for frames": (
        "clip",
        Features(torch.zeros(2, 3, 16, 16), torch.arange(2)),
        r"\(any, any, 3, 16, 16\) with",
    ),
    "text as numbers with a point": (
        "text",
        Features(torch.zeros(2, 3), torch.arange(2), torch.ones(2, dtype=torch.long)),
        "got torch.float32",
    ),
    "recordings as ids": ("audio", Features(torch.zeros(2, 32, 16, dtype=torch.long), torch.arange(2)), "torch.int64"),
    "another number of bands": ("audio", Features(torch.zeros(2, 32, 8), torch.arange(2)), r"\(any, 32, 16\)"),
}


@pytest.mark.parametrize(("name", "features", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_was_not_prepared_for_it_is_refused(
    configs: dict[str, BackboneConfig], name: str, features: Features, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        configs[name].build()(features)


@pytest.mark.parametrize("name", ["video", "text"])
@pytest.mark.parametrize("targets", ["attention", "linear"])
def test_matrices_learn_over_a_frozen_network(
    configs: dict[str, BackboneConfig], view: Dataset, name: str, targets: str
) -> None:
    config, features = configs[name], features_of(view, name, 12)
    encoder: Backbone = config.build().eval().requires_grad_(False)
    before = {key: weight.clone() for key, weight in encoder.state_dict().items()}
    plain: Encoded = encoder(features)
    low_rank = LowRank(encoder)
    low_rank.attach(
        name, LowRankConfig(rank=2, targets=attention_targets(config) if targets == "attention" else targets)
    )
    layers = [layer for layer, module in encoder.named_modules() if hasattr(module, "lora_A")]
    assert len(layers) == (4 if targets == "attention" else 12), "two layers of query, value; and key, output, two more"
    low_rank.learn([name])
    wanted = torch.arange(12) % len(COLOURS)
    torch.manual_seed(0)
    head = torch.nn.Linear(config.output_dim, len(COLOURS))
    learning = [weight for weight in encoder.parameters() if weight.requires_grad]
    # Rank 2, and layers 16 -> 16 but for two 16 -> 32 and 32 -> 16 in each of the two layers.
    assert sum(weight.numel() for weight in learning) == (4 * 64 if targets == "attention" else 8 * 64 + 4 * 96)
    optimizer = torch.optim.Adam([*learning, *head.parameters()], lr=0.02)
    losses = []
    with low_rank.active(name):
        for _ in range(30):
            loss = functional.cross_entropy(head(encoder(features).embedding), wanted)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        adapted: Encoded = encoder(features)
    assert losses[-1] < losses[0] / 2
    assert not torch.allclose(adapted.embedding, plain.embedding, atol=1e-2)
    merged: Encoded = low_rank.merged(name)(features)
    torch.testing.assert_close(merged.embedding, adapted.embedding, atol=1e-4, rtol=1e-3)
    low_rank.detach(name)
    assert all(torch.equal(weight, before[key]) for key, weight in plain_state(encoder).items())
    again: Encoded = encoder(features)
    assert torch.equal(again.embedding, plain.embedding)


def test_a_frozen_network_is_computed_beforehand_only_where_nothing_is_drawn(
    configs: dict[str, BackboneConfig],
) -> None:
    encoder: Backbone = configs["text"].build()
    assert still_depth(encoder) is None
    encoder.requires_grad_(False)
    assert still_depth(encoder.eval()) == "encoder"
    assert still_depth(encoder.train()) is None, "BERT drops"


@pytest.mark.parametrize("name", ["video", "audio", "text"])
def test_it_is_built_again_without_the_original(
    places: Path, configs: dict[str, BackboneConfig], view: Dataset, tmp_path: Path, name: str
) -> None:
    original = Path(shutil.copytree(configs[name].source, tmp_path / "original"))
    config = replace(configs[name], source=str(original))
    encoder: Backbone = config.build().eval()
    features = features_of(view, name)
    before: Encoded = encoder(features)
    save_backbone_files(config, tmp_path / "run" / name)
    shutil.rmtree(original)
    assert not list((tmp_path / "run").rglob("*.safetensors"))
    there = relocated(config, tmp_path / "run" / name)
    again: Backbone = there.build().eval()
    drawn: Encoded = again(features)
    assert not torch.allclose(drawn.embedding, before.embedding), "the weights are not there yet"
    again.load_state_dict(encoder.state_dict())
    loaded: Encoded = again(features)
    assert torch.equal(loaded.embedding, before.embedding)
    data = prepared_view(Dataset.open(places / "data"), {name: there})
    assert torch.equal(features_of(data, name).values, features.values)
    assert data.fingerprint() == prepared_view(Dataset.open(places / "data"), {name: configs[name]}).fingerprint()
    with pytest.raises(ConfigError, match="is no folder with a checkpoint"):
        config.build()


def test_weights_and_processors_that_have_changed_are_noticed(
    configs: dict[str, BackboneConfig], tmp_path: Path
) -> None:
    tiny_vit(tmp_path / "vit", seed=1)
    other = replace(configs["video"], source=str(tmp_path / "vit"))
    with pytest.raises(ConfigError, match="the weights are not those the encoder was made with"):
        other.build()
    file = tmp_path / "vit" / "preprocessor_config.json"
    file.write_text(file.read_text().replace("0.5", "0.25"))
    with pytest.raises(ConfigError, match="the files of the processor are not those"):
        other.preparer()
    tiny_bert(tmp_path / "bert")
    with pytest.raises(ConfigError, match="BERT reads texts, and here a network for the kind 'image'"):
        replace(configs["video"], source=str(tmp_path / "bert")).build()


def test_the_hash_is_that_of_the_tensors_not_of_the_file(configs: dict[str, BackboneConfig], tmp_path: Path) -> None:
    model = load_model(open_checkpoint(configs["video"].source, "image"))
    shutil.copytree(configs["video"].source, tmp_path / "again")
    model.save_pretrained(tmp_path / "again")
    assert describe_backbone(str(tmp_path / "again"), "image").weights == configs["video"].weights
    assert configs["clip"].weights == configs["video"].weights


SETTINGS = {
    "a family there is not": ({"family": "VIT"}, "did you mean 'ViT'"),
    "another kind": ({"reads": "text"}, "ViT reads images, not the kind 'text'"),
    "no kind": ({"reads": "pixels"}, "not the kind 'pixels'"),
    "another pooling": ({"pooling": "mean"}, "pooling of ViT is known: first"),
    "a rate of images": ({"rate": 5}, "rate is for recordings"),
    "no width": ({"output_dim": 0}, "output_dim must be at least 1"),
}


@pytest.mark.parametrize(("changes", "message"), SETTINGS.values(), ids=SETTINGS.keys())
def test_settings_are_checked(configs: dict[str, BackboneConfig], changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(configs["video"], **changes)


def test_widths_are_those_of_the_network(configs: dict[str, BackboneConfig]) -> None:
    with pytest.raises(ConfigError, match="the network is 3 -> 16 wide, the configuration says 3 -> 32"):
        replace(configs["video"], output_dim=32).build()

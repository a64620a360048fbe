"""An encoder for every modality: backbones where a checkpoint is named, ours for features, one sentence otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_backbones import COLOURS, raw_dataset, tiny_ast, tiny_bert, tiny_vit

from trichord.cli.main import main
from trichord.data import Dataset, ModalityArrays, collate, write_dataset
from trichord.data.specification import ModalitySpec
from trichord.encoders import EncoderConfig, LinearHeadConfig
from trichord.encoders.backbone import BackboneConfig, describe_backbone
from trichord.errors import ConfigError, DataError
from trichord.evaluation.cca_baseline import CcaSplits, tuned_cca
from trichord.modality import Pair
from trichord.recipes.classifier_encoders import Chosen, choose_encoders
from trichord.recipes.heads import heads
from trichord.runs.prepared_data import prepared_view
from trichord.runs.suitability import check_data, check_encoders


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    for make in (tiny_vit, tiny_bert, tiny_ast):
        make(folder / make.__name__)
    return folder


@pytest.fixture(scope="module")
def mixed(places: Path) -> Dataset:
    """Images, captions and pooled sound."""
    raw = raw_dataset(places / "raw", ("video", "text"), items=30)
    return write_dataset(
        places / "mixed",
        name="mixed",
        items=raw.table,
        modalities={
            "video": ModalityArrays(np.load(places / "raw" / "video.npy"), kind="image"),
            "audio": ModalityArrays(np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)),
            "text": ModalityArrays(None, kind="text"),
        },
    )


def own(entry: ModalitySpec) -> EncoderConfig:
    return LinearHeadConfig(input_dim=entry.dim, output_dim=7)


@pytest.fixture(scope="module")
def chosen(places: Path, mixed: Dataset) -> Chosen:
    sources = {"text": str(places / "tiny_bert"), "video": str(places / "tiny_vit")}
    return choose_encoders(mixed, ("text", "audio", "video"), sources, own)


def test_every_modality_has_its_encoder_and_the_data_suit_them(chosen: Chosen) -> None:
    assert list(chosen.encoders) == ["video", "audio", "text"], "in the order of the data"
    assert isinstance(chosen.encoders["audio"], LinearHeadConfig)
    check_encoders(chosen.encoders, chosen.dataset, "the classifier")
    batch = collate(chosen.dataset, np.arange(5), ("video", "audio", "text"))
    for name, config in chosen.encoders.items():
        assert config.build()(batch.features[name]).embedding.shape == (5, config.output_dim)
    assert chosen.targets["audio"] == "linear and convolution"
    assert "query" in chosen.targets["text"]
    assert chosen.described["audio"] == "ours: LinearHead, 7 wide"
    assert chosen.described["video"].startswith("ViT from ")
    assert chosen.described["video"].endswith("16 wide (first)")


def test_only_what_is_asked_for_is_prepared(places: Path, mixed: Dataset) -> None:
    found = choose_encoders(mixed, ("video",), {"video": str(places / "tiny_vit")})
    assert list(found.encoders) == list(found.targets) == list(found.described) == ["video"]
    assert [bool(entry.preparation) for entry in found.dataset.spec.modalities] == [True, False, False]


def test_what_is_cut_off_is_said(places: Path, tmp_path: Path) -> None:
    items = {"id": ["a", "b"], "split": ["train", "test"], "captions": [["red " * 40], ["green"]]}
    data = write_dataset(
        tmp_path / "long", name="n", items=items, modalities={"text": ModalityArrays(None, kind="text")}
    )
    found = choose_encoders(data, ("text",), {"text": str(places / "tiny_bert")})
    assert found.described["text"].endswith("of 1 captions it sees the beginning only")


WRONG = {
    "raw, and no checkpoint": (("video", "text"), {"text": "tiny_bert"}, "video of .* raw inputs .* video=FOLDER"),
    "features, and a checkpoint": (("audio",), {"audio": "tiny_ast"}, r"audio of .* holds features \(kind 'pooled'\)"),
    "a modality there is not": (("vidio",), {}, "did you mean 'video'"),
    "a checkpoint for nothing": (("video",), {"video": "tiny_vit", "vide": "x"}, "did you mean 'video'"),
    "a checkpoint for what is not used": (
        ("video",),
        {"video": "tiny_vit", "text": "tiny_bert"},
        "'text', which is not",
    ),
    "a checkpoint of text for images": (("video",), {"video": "tiny_bert"}, "video: .*tiny_bert: BERT reads texts"),
    "no checkpoint at all": (("video",), {"video": "nowhere"}, "video: .*nowhere' is no folder"),
}


@pytest.mark.parametrize(("names", "sources", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_one_sentence(
    places: Path, mixed: Dataset, names: tuple[str, ...], sources: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        choose_encoders(mixed, names, {name: f"{places}/{source}" for name, source in sources.items()}, own)
    assert "\n" not in str(caught.value)


def test_features_need_an_encoder_of_ours(mixed: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"audio of .* holds features \(kind 'pooled'\) and has no encoder"):
        choose_encoders(mixed, ("audio",), {})


def test_a_view_is_made_once_and_for_the_right_checkpoint(places: Path, mixed: Dataset, tmp_path: Path) -> None:
    vit = describe_backbone(str(places / "tiny_vit"), "image")
    view = prepared_view(mixed, {"video": vit})
    assert prepared_view(view, {"video": vit}).fingerprint() == view.fingerprint()
    with pytest.raises(DataError, match="video is not prepared for that of the model"):
        check_encoders({"video": vit}, mixed, "the model")
    file = tiny_vit(tmp_path / "other") / "preprocessor_config.json"
    file.write_text(file.read_text().replace("0.5", "0.25"))
    other = describe_backbone(str(tmp_path / "other"), "image")
    with pytest.raises(DataError, match="video is prepared for another checkpoint than that of the model"):
        check_encoders({"video": other}, view, "the model")
    with pytest.raises(ConfigError, match="prepared already"):
        prepared_view(view, {"video": other})
    with pytest.raises(ConfigError, match="audio is of the kind pooled, and its encoder, ViT, was made for image"):
        prepared_view(mixed, {"audio": vit})
    ast = describe_backbone(str(places / "tiny_ast"), "waveform", rate=16000)
    with pytest.raises(ConfigError, match=r"video is of the kind image, .* made for waveform of 16000 per second"):
        prepared_view(mixed, {"video": ast})


def test_recipes_and_baselines_for_features_say_what_to_do(
    mixed: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = heads(mixed.spec, "VT")
    with pytest.raises(DataError, match=r"video holds raw inputs \(kind 'image'\), and the encoder ResidualHeadConfig"):
        check_data(experiment, mixed)
    train, val, test = (mixed.split(name) for name in ("train", "val", "test"))
    with pytest.raises(DataError, match=r"video holds raw inputs .* this command takes features"):
        tuned_cca(mixed, Pair(("video",), ("text",)), CcaSplits(train, val, test))
    with pytest.raises(SystemExit):
        main(["train", "--data", str(mixed.path), "--out", str(tmp_path / "run"), "--order", "VT"])
    said = capsys.readouterr().err
    assert "--encoder video=FOLDER" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "config.json").exists()


def test_the_tiny_data_are_learnable_from_every_modality(places: Path, tmp_path: Path) -> None:
    data = raw_dataset(tmp_path / "colours", ("video", "audio", "text", "clip"), items=60)
    makes = {"video": "tiny_vit", "audio": "tiny_ast", "text": "tiny_bert", "clip": "tiny_vit"}
    found = choose_encoders(data, tuple(makes), {name: str(places / make) for name, make in makes.items()})
    truth = torch.tensor([COLOURS.index(name) for name in data.label("colour")])
    for name, config in found.encoders.items():
        assert isinstance(config, BackboneConfig)
        features = collate(found.dataset, np.arange(60), (name,)).features[name]
        with torch.no_grad():
            vectors = config.build().eval()(features).embedding
        kept, held_out = (torch.from_numpy(data.split(split)) for split in ("train", "test"))
        vectors = (vectors - vectors[kept].mean(0)) / vectors[kept].std(0)
        weights = torch.linalg.lstsq(
            vectors[kept].T @ vectors[kept] + torch.eye(16), vectors[kept].T @ torch.eye(3)[truth[kept]]
        ).solution
        right = (vectors[held_out] @ weights).argmax(dim=1) == truth[held_out]
        assert right.float().mean() > 0.8, name

"""A file of the published code becomes a model that gives the vectors of the published network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from published_reference import (
    PUBLISHED,
    Sizes,
    State,
    audio_vectors,
    random_inputs,
    random_state,
    shapes_only,
    text_vectors,
    video_vectors,
)

from trichord.config import from_dict
from trichord.data import DatasetSpec, ModalitySpec
from trichord.encoders.published import published_sizes
from trichord.errors import ConfigError, DataError
from trichord.files import hash_tensors
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.recipes.mcn import mcn
from trichord.recipes.published import load_published, published_experiment
from trichord.runs import Model


def saved(path: Path, state: State, *, zipped: bool = True) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    return path


def compare(model: Model, state: State, frames: int = 5120) -> None:
    inputs = random_inputs(words=(3, 25, 2, 1))
    video, clips = inputs.video.float(), [clip.float() for clip in inputs.clips]
    sentences = [words.float() for words in inputs.sentences]
    found = model.encode({"video": video, "audio": clips, "text": sentences}, batch_size=3)
    expected = {
        "video": video_vectors(state, video),
        "audio": audio_vectors(state, clips, frames),
        "text": text_vectors(state, sentences),
    }
    for name, vectors in expected.items():
        np.testing.assert_allclose(found[name], vectors.numpy(), rtol=2e-5, atol=2e-5)
        assert found[name].dtype == np.float32


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_in_either_format_becomes_a_model(zipped: bool, tmp_path: Path) -> None:
    state = random_state()
    model = load_published(saved(tmp_path / "e1.pth", state, zipped=zipped), device="cpu")
    assert (model.modalities, model.dim) == (("video", "audio", "text"), 12)
    compare(model, state)
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    again = load_published(saved(tmp_path / "e2.pth", wrapped, zipped=zipped), device="cpu")
    assert again.identity == model.identity == hash_tensors(model.encoder.state_dict())


def test_the_length_of_evaluation_is_a_choice(tmp_path: Path) -> None:
    state = random_state()
    model = load_published(saved(tmp_path / "e1.pth", state), evaluation_frames=1024, device="cpu")
    compare(model, state, 1024)


def test_other_weights_have_another_identity(tmp_path: Path) -> None:
    state = random_state()
    first = load_published(saved(tmp_path / "e1.pth", state), device="cpu")
    state["DAVEnet.layer4.1.bn2.running_mean"][0] += 1e-3
    assert load_published(saved(tmp_path / "e2.pth", state), device="cpu").identity != first.identity


def test_the_experiment_is_the_recipe_in_the_sizes_found(tmp_path: Path) -> None:
    config = load_published(saved(tmp_path / "e1.pth", random_state()), device="cpu").config
    assert (config.recipe, config.order, config.tasks[0]) == ("mcn", "VAT", "T>V")
    assert config.evaluation.scoring.similarity == "dot product"
    assert from_dict(config.to_dict()) == config
    parts = config.to_dict()["stages"][0]["objective"]["parts"]
    assert parts["reconstruction"]["dims"] == {"video": 10, "audio": 8, "text": 12}
    assert parts["reconstruction"]["hidden"] == 6
    plain = load_published(saved(tmp_path / "e2.pth", random_state(Sizes(hidden=None))), device="cpu").config
    assert set(plain.stages[0].objective.parts) == {"contrast", "cluster"}


def test_at_the_published_sizes_the_experiment_is_the_recipe() -> None:
    entries = (
        ModalitySpec(VIDEO, "pooled", 4096, 1),
        ModalitySpec(AUDIO, "sequence", 40, 1),
        ModalitySpec(TEXT, "sequence", 300, 1),
    )
    recipe = mcn(DatasetSpec("howto100m", entries, 1, {"train": 1}), "VAT")
    assert published_experiment(published_sizes(shapes_only(PUBLISHED))) == recipe


@pytest.mark.parametrize(("only", "order"), [(("video", "text"), "VT"), (("audio", "text"), "AT")])
def test_an_ablation_is_loaded_without_its_untrained_branch(only: tuple[str, str], order: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "e1.pth", random_state())
    whole, part = load_published(path, device="cpu"), load_published(path, only=only, device="cpu")
    assert (part.modalities, part.config.order) == (only, order)
    words = [np.ones((2, 7), np.float32)]
    np.testing.assert_array_equal(part.encode({"text": words})["text"], whole.encode({"text": words})["text"])
    with pytest.raises(ConfigError, match="two modalities or more"):
        load_published(path, only=("text",))


def test_training_can_go_on_from_the_weights(tmp_path: Path) -> None:
    encoder = load_published(saved(tmp_path / "e1.pth", random_state()), device="cpu").encoder.train()
    frozen = [name for name, parameter in encoder.named_parameters() if not parameter.requires_grad]
    assert frozen == ["encoders.audio.trunk.input_norm.weight", "encoders.audio.trunk.input_norm.bias"]
    assert not any(tensor.is_meta for tensor in encoder.state_dict().values())


def test_the_error_names_the_file(tmp_path: Path) -> None:
    state = random_state()
    del state["GU_audio.cg.fc.bias"]
    path = saved(tmp_path / "e1.pth", state)
    with pytest.raises(DataError, match=r"1 missing: GU_audio\.cg\.fc\.bias") as caught:
        load_published(path)
    assert caught.value.file == path
    with pytest.raises(DataError) as caught:
        load_published(tmp_path / "e9.pth")
    assert "e9.pth" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"net": random_state(), "optimizer": {"state": {}}, "epoch": 3}, "not so: net, optimizer, epoch"),
        ([torch.zeros(3)], "no state dictionary but list"),
    ],
)
def test_a_file_of_something_else(content: object, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "amp_checkpoint.pt"
    torch.save(content, path)
    with pytest.raises(DataError, match=complaint) as caught:
        load_published(path)
    assert "amp_checkpoint.pt" in str(caught.value)

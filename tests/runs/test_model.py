import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from run_cases import tiny_dataset, tiny_experiment

import trichord
from trichord.batch import Features
from trichord.errors import ConfigError, DataError, RunError
from trichord.runs import run_experiment
from trichord.training.checkpoint import load_tensors, save_tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    dataset = tiny_dataset(path)
    config = tiny_experiment(dataset, "AVT", **{"stages.0.epochs": 1})
    run_experiment(config, dataset, path / "run")
    return path


def test_encode_equals_the_encoder(folder: Path) -> None:
    model = trichord.load(folder / "run", device="cpu")
    values = np.random.default_rng(0).normal(size=(7, 64)).astype(np.float32)
    with torch.no_grad():
        features = Features(torch.from_numpy(values), torch.arange(7))
        expected = model.encoder({"text": features}, 7, only=("text",)).vectors["text"].numpy()
    found = model.encode({"text": values, "video": list(values[:3])}, batch_size=2)
    np.testing.assert_allclose(found["text"], expected, atol=1e-6)
    assert found["video"].shape == (3, model.dim)
    np.testing.assert_allclose(np.linalg.norm(found["video"], axis=1), 1, atol=1e-5)
    as_tensor = model.encode({"text": torch.from_numpy(values)}, convert_to_tensor=True)["text"]
    assert isinstance(as_tensor, torch.Tensor)
    assert model.similarity(found["text"], found["video"]).shape == (7, 3)
    assert model.encode({"text": np.zeros((0, 64), np.float32)})["text"].shape == (0, model.dim)


def test_what_it_is_not_made_for_is_refused(folder: Path) -> None:
    model = trichord.load(folder / "run")
    assert model.modalities == ("video", "audio", "text")
    assert not model.supports("depth")
    with pytest.raises(ConfigError, match="no 'txet' encoder; did you mean 'text'"):
        model.encode({"txet": np.zeros((1, 64))})
    with pytest.raises(DataError, match=r"row 1.*'clips/a\.mp4', but this model reads features"):
        model.encode({"video": [np.zeros(64), "clips/a.mp4"]})
    with pytest.raises(DataError, match=r"row 0.*64 numbers, got shape \(3,\)"):
        model.encode({"text": [np.zeros(3)]})
    with pytest.raises(DataError, match="not finite"):
        model.encode({"text": [np.full(64, np.nan)]})


def test_a_folder_that_is_no_finished_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        trichord.load(tmp_path)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("config.json", "status.json"):
        (damaged / name).write_bytes((folder / "run" / name).read_bytes())
    (damaged / "model.safetensors").write_bytes((folder / "run/model.safetensors").read_bytes()[:-100])
    with pytest.raises(RunError, match="not a readable safetensors file"):
        trichord.load(damaged)


def test_weights_that_were_changed_are_noticed(folder: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(folder / "run", changed)
    tensors, note = load_tensors(changed / "model.safetensors")
    tensors["encoders.video.unit.projection.bias"].zero_()
    save_tensors(changed / "model.safetensors", tensors, note)
    with pytest.raises(RunError, match="the weights are not those that were saved"):
        trichord.load(changed)

"""A classifier that learns alone over frozen experts: it starts as their ensemble, and nothing else moves."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from classifier_cases import QUIET, classifier, hashes, make_data, same_scores, train_experts
from safetensors.torch import load_file

from trichord.adapters.settings import LowRankConfig
from trichord.classification.build import build_classifier
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.learning import Given, prepare
from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.run import run_classifier
from trichord.classification.vectors import classify_vectors, encode_items
from trichord.data import Dataset
from trichord.data.classes import read_labels
from trichord.errors import ConfigError, RunError
from trichord.files import hash_bytes, read_json, write_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return make_data(folder / "data")


@pytest.fixture(scope="module")
def experts(folder: Path, dataset: Dataset) -> dict[str, LoadedClassifier]:
    return train_experts(dataset, folder)


@pytest.fixture(scope="module")
def config(experts: dict[str, LoadedClassifier]) -> ClassifierExperimentConfig:
    return classifier("head", train=(), starts=hashes(experts))


@pytest.fixture(scope="module")
def alone(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], config: ClassifierExperimentConfig
) -> ClassifierDirectory:
    return run_classifier(config, dataset, folder / "alone", options=QUIET, experts=experts)


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hash_bytes([p.read_bytes()]) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_it_begins_as_the_ensemble_of_its_experts(
    dataset: Dataset, experts: dict[str, LoadedClassifier], config: ClassifierExperimentConfig
) -> None:
    built, items = build_classifier(config, dataset, experts), dataset.split("test")
    vectors = encode_items(built.model, dataset, items, modalities=("video", "audio"), batch_size=64)
    video, audio = (experts[name].classify(dataset, items) for name in ("video", "audio"))
    assert np.array_equal(classify_vectors(built.model, vectors).logits, video.logits + audio.logits)


def test_only_the_classifier_on_top_moves(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], config: ClassifierExperimentConfig
) -> None:
    before = {name: contents(expert.path) for name, expert in experts.items()}
    again = run_classifier(config, dataset, folder / "once more", options=QUIET, experts=experts)
    assert {name: contents(expert.path) for name, expert in experts.items()} == before
    status, heads = again.status(), load_file(again.head_file)
    assert status["trainable"] == sum(tensor.numel() for tensor in heads.values())
    assert set(status["frozen"]) == {"video", "audio"}
    for name, expert in experts.items():
        assert status["encoders"][name] == ClassifierDirectory(expert.path).status()["encoders"][name]
        assert not torch.equal(heads[f"{name}.weight"], expert.model.heads[name].weight)
    assert not again.model_file.exists()
    assert not (again.path / "adapters").exists()
    assert not list(again.path.rglob("probe_*")), "its encoders are the experts'"


def test_it_is_loaded_as_it_was_measured(dataset: Dataset, alone: ClassifierDirectory) -> None:
    loaded = load_classifier(alone.path)
    assert not loaded.low_rank.names
    assert same_scores(loaded.predict(dataset, "test"), alone.scores("test"))
    assert loaded.hashes == alone.status()["parts"]


def test_the_classifier_on_top_learns_at_its_own_rate(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier]
) -> None:
    for kind, more in (("joint", {}), ("mmlora", {"train": (), "low_rank": {"video": LowRankConfig(rank=2)}})):
        starts = hashes(experts) if kind == "mmlora" else {}
        settings = classifier(kind, starts=starts, learning__head_ratio=3.0, **more)
        labels = read_labels(dataset, "mood", False)
        given = Given(settings, dataset, labels, ClassifierDirectory(folder / "rates"), QUIET, experts, probes=False)
        learner = prepare(given, build_classifier(settings, dataset, experts), torch.device("cpu"))
        rates = {id(p): group["lr"] for group in learner.optimizer.param_groups for p in group["params"]}
        learning = {name: p for name, p in learner.system.named_parameters() if p.requires_grad}
        assert any("heads" not in name for name in learning)
        for name, parameter in learning.items():
            assert rates[id(parameter)] == pytest.approx(0.03 if "heads" in name else 0.01), name


def test_teachers_are_the_experts_in_evaluation_mode(dataset: Dataset, experts: dict[str, LoadedClassifier]) -> None:
    settings = classifier("teacher", teachers=hashes(experts), learning__distillation=1.0)
    assert any(module.p > 0 for module in experts["video"].model.modules() if isinstance(module, torch.nn.Dropout))
    teachers = build_classifier(settings, dataset, experts).teachers
    assert set(teachers) == {"video", "audio"}
    for name, teacher in teachers.items():
        assert not any(module.training for module in teacher.modules()), "what is aimed at must not be noisy"
        assert not any(parameter.requires_grad for parameter in teacher.parameters())
        for key, tensor in experts[name].model.encoder(name).state_dict().items():
            assert torch.equal(tensor, teacher.state_dict()[key])


@pytest.mark.parametrize(
    "changes",
    [
        {"starts": {"video": "v"}, "train": ()},
        {"starts": {"video": "v", "audio": "a"}},
        {"starts": {"video": "v", "audio": "a"}, "train": (), "low_rank": {"video": LowRankConfig()}},
    ],
    ids=["an expert lacks", "an encoder learns", "matrices"],
)
def test_what_is_no_classifier_alone(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="stands on an expert of every modality and leaves them all as they are"):
        classifier("head", **changes)


def test_an_expert_that_saw_what_is_reported_is_refused(
    tmp_path: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], config: ClassifierExperimentConfig
) -> None:
    def refused(match: str, data: Dataset = dataset, **changes: object) -> None:
        with pytest.raises(RunError, match=match):
            run_classifier(replace(config, **changes), data, tmp_path / "refused", options=QUIET, experts=experts)
        assert not (tmp_path / "refused").exists()

    refused("learnt from", fit_splits=("test",), report_split="train")
    refused("was chosen on 'val', which this experiment reports on", selection_split="test", report_split="val")
    # The same folder read in another way has another fingerprint, as raw inputs that a backbone's processor prepares.
    view = Dataset.open(dataset.path)
    view.fingerprint = lambda: "another"  # type: ignore[method-assign]
    refused("was chosen on 'val'", view, selection_split="test", report_split="val")
    # Of other data the names of splits say nothing.
    other = make_data(tmp_path / "other", complete=True)
    swapped = replace(config, selection_split="test", report_split="val")
    assert run_classifier(swapped, other, tmp_path / "other data", options=QUIET, experts=experts).finished


def test_experts_are_named_where_there_are_some(
    alone: ClassifierDirectory, experts: dict[str, LoadedClassifier]
) -> None:
    place = experts["video"].path
    with pytest.raises(ConfigError, match="stands on no expert of 'vidio'; did you mean 'video'"):
        load_classifier(alone.path, {"vidio": place})
    with pytest.raises(ConfigError, match="stands on no expert of 'video'; one of the kind 'expert' stands on none"):
        load_classifier(place, {"video": place})


@pytest.mark.parametrize("broken", ["gone", "no JSON", "a list", "without audio", "without a path"])
def test_a_damaged_list_of_experts_says_what_to_do(tmp_path: Path, alone: ClassifierDirectory, broken: str) -> None:
    shutil.copytree(alone.path, tmp_path / "copy")
    file = tmp_path / "copy" / "experts.json"
    places = read_json(file)
    if broken == "gone":
        file.unlink()
    elif broken == "no JSON":
        file.write_text("{")
    elif broken == "a list":
        write_json(file, list(places))
    elif broken == "without audio":
        write_json(file, {"video": places["video"]})
    else:
        write_json(file, {**places, "audio": {"hash": places["audio"]["hash"]}})
    with pytest.raises(RunError, match=r"experts\.json: .*; restore the file, or train the classifier again"):
        load_classifier(tmp_path / "copy")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_status_says_what_to_do(tmp_path: Path, alone: ClassifierDirectory, text: str) -> None:
    shutil.copytree(alone.path, tmp_path / "copy")
    (tmp_path / "copy" / "status.json").write_text(text)
    with pytest.raises(RunError, match=r"status\.json: .*; restore the file, or remove .* `trichord classify train`"):
        load_classifier(tmp_path / "copy")

"""Training classifiers, saving and loading them: frozen parts, matrices, starts, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from classifier_cases import (
    ENCODERS,
    PLAIN,
    QUIET,
    classifier,
    hashes,
    make_data,
    same_scores,
    train_experts,
)
from safetensors.torch import load_file

from trichord.adapters.saved import read_adapter
from trichord.adapters.settings import LowRankConfig
from trichord.classification.build import build_classifier
from trichord.classification.directory import ClassifierDirectory, probe, without
from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.probing import add_probes
from trichord.classification.run import run_classifier
from trichord.classification.vectors import classify_vectors, encode_items
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError, RunError, TrainingError
from trichord.evaluation.class_scores import value
from trichord.files import hash_bytes, read_json
from trichord.training.checkpoint import load_tensors, save_tensors

RANK = LowRankConfig(rank=2, alpha=2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return make_data(folder / "data")


@pytest.fixture(scope="module")
def experts(folder: Path, dataset: Dataset) -> dict[str, LoadedClassifier]:
    return train_experts(dataset, folder)


@pytest.fixture(scope="module")
def joint(folder: Path, dataset: Dataset) -> ClassifierDirectory:
    return run_classifier(classifier("joint"), dataset, folder / "joint", options=QUIET)


@pytest.fixture(scope="module")
def mmlora(folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier]) -> ClassifierDirectory:
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank={"video": RANK})
    return run_classifier(config, dataset, folder / "mmlora", options=QUIET, experts=experts)


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hash_bytes([p.read_bytes()]) for p in folder.rglob("*") if p.is_file()}


def test_a_folder_explains_itself(joint: ClassifierDirectory, dataset: Dataset) -> None:
    assert joint.finished
    assert joint.record().config == classifier("joint")
    names = {"all", "without_video", "without_audio", "probe_video", "probe_audio"}
    for split in ("val", "test"):
        assert {path.stem for path in joint.scores_folder(split).glob("*.json")} == names
    scores = joint.scores("test")
    assert scores.items.tolist() == dataset.split("test").tolist()
    held = dataset.has("video") | dataset.has("audio")
    assert scores.held.tolist() == held[scores.items].tolist()
    assert joint.scores("test", without("video")).held.tolist() == dataset.has("audio")[scores.items].tolist()
    status = joint.status()
    assert status["best_value"] == max(m["metrics"]["selection"] for m in joint.metrics() if m["kind"] == "validation")
    assert status["frozen"] == {}
    assert status["device_bytes"] is None
    assert not joint.checkpoint_file.exists()
    assert value(joint.scores("val", probe("video")), "accuracy") > 100 / 3


def test_what_training_takes_is_counted(joint: ClassifierDirectory, mmlora: ClassifierDirectory) -> None:
    weights = load_file(joint.model_file)
    numbers = sum(t.numel() for n, t in weights.items() if "standardize" not in n)
    status = joint.status()
    assert status["trainable"] == status["parameters"] == numbers
    held = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    tensors = sum("standardize" not in name for name in weights)
    # Adam: two moments per number, and a counter of four bytes per tensor; a gradient per number.
    assert status["training_bytes"] == held + 4 * numbers + 2 * 4 * numbers + 4 * tensors
    matrices = sum(t.numel() for t in read_adapter(mmlora.adapter_folder("video"))[0].tensors.values())
    heads = sum(t.numel() for t in load_file(mmlora.head_file).values())
    assert mmlora.status()["trainable"] == matrices + heads
    assert mmlora.status()["parameters"] == numbers


def test_a_finished_classifier_is_returned_at_once_and_another_is_refused(
    joint: ClassifierDirectory, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in joint.path.rglob("*")}
    monkeypatch.setattr("trichord.classification.run.build_classifier", None)
    assert run_classifier(classifier("joint"), dataset, joint.path, options=QUIET).finished
    assert {path: path.stat().st_mtime_ns for path in joint.path.rglob("*")} == before
    with pytest.raises(RunError, match=r"another experiment \(seed: 5 there, 6 here\)"):
        run_classifier(classifier("joint", seed=6), dataset, joint.path, options=QUIET)


def test_what_was_saved_is_what_was_measured(
    joint: ClassifierDirectory, mmlora: ClassifierDirectory, dataset: Dataset
) -> None:
    for directory in (joint, mmlora):
        loaded = load_classifier(directory.path)
        assert same_scores(loaded.predict(dataset, "test"), directory.scores("test"))
        assert same_scores(loaded.predict(dataset, "val", only=["audio"]), directory.scores("val", without("video")))
        assert not loaded.model.training
        assert loaded.hashes == directory.status()["parts"]


def test_the_experts_are_left_to_the_bit(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], mmlora: ClassifierDirectory
) -> None:
    status = mmlora.status()
    for name, expert in experts.items():
        own = ClassifierDirectory(expert.path).status()
        assert status["encoders"][name] == own["encoders"][name]
        assert load_classifier(expert.path).hashes == expert.hashes, "their folders and what is in memory"
    assert set(status["frozen"]) == {"video", "audio"}
    before = {name: contents(expert.path) for name, expert in experts.items()}
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank={"video": RANK, "audio": RANK}, seed=9)
    run_classifier(config, dataset, folder / "again", options=QUIET, experts=experts)
    assert {name: contents(expert.path) for name, expert in experts.items()} == before


def test_before_it_learns_mmlora_is_the_ensemble_of_its_experts(
    dataset: Dataset, experts: dict[str, LoadedClassifier]
) -> None:
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank={"video": RANK, "audio": RANK})
    built = build_classifier(config, dataset, experts)
    items = dataset.split("test")
    with built.low_rank.active("video", "audio"):
        vectors = encode_items(built.model, dataset, items, modalities=("video", "audio"), batch_size=64)
    found = classify_vectors(built.model, vectors)
    video, audio = (experts[name].classify(dataset, items) for name in ("video", "audio"))
    assert np.array_equal(found.logits, video.logits + audio.logits)
    assert found.logits[video.held & ~audio.held].tolist() == video.logits[video.held & ~audio.held].tolist()


def test_matrices_of_full_rank_can_become_any_change(dataset: Dataset, experts: dict[str, LoadedClassifier]) -> None:
    full = LowRankConfig(rank=9, alpha=9.0)
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank={"audio": full})
    built = build_classifier(config, dataset, experts)
    other = build_classifier(classifier("joint"), dataset, {})
    encoder = built.model.encoder("audio")
    wanted = {name: p for name, p in other.model.encoder("audio").named_parameters() if name.endswith("weight")}
    with torch.no_grad():
        for key, layer in encoder.named_modules():
            if not hasattr(layer, "lora_A"):
                continue
            change = wanted[f"{key}.weight"] - layer.base_layer.weight
            a, b = layer.lora_A["audio"].weight, layer.lora_B["audio"].weight
            inputs = change.shape[1]
            a.zero_()
            b.zero_()
            a[:inputs] = torch.eye(inputs)
            b[:, :inputs] = change
        for name, p in other.model.encoder("audio").named_parameters():
            if name.endswith("bias"):
                p.copy_(dict(encoder.named_parameters())[_wrapped(encoder, name)])
    items = dataset.split("test")
    other.model.encoder("audio").standardize.load_state_dict(encoder.standardize.state_dict())
    with built.low_rank.active("audio"):
        found = encode_items(built.model, dataset, items, modalities=("audio",), batch_size=64)["audio"]
    aim = encode_items(other.model, dataset, items, modalities=("audio",), batch_size=64)["audio"]
    torch.testing.assert_close(found.vectors, aim.vectors, rtol=1e-4, atol=1e-5)


def _wrapped(encoder: torch.nn.Module, name: str) -> str:
    known = dict(encoder.named_parameters())
    return name if name in known else name.replace(".bias", ".base_layer.bias")


def test_only_the_head_learns_over_frozen_encoders(folder: Path, dataset: Dataset) -> None:
    config = classifier("joint", train=(), learning__epochs=2)
    directory = run_classifier(config, dataset, folder / "head", options=QUIET)
    before = build_classifier(config, dataset, {}).model.state_dict()
    after = load_file(directory.model_file)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {name for name in after if name.startswith("heads.")}
    assert directory.status()["trainable"] == sum(after[name].numel() for name in moved)
    slow = run_classifier(config, dataset, folder / "head slow", options=replace(QUIET, cache_trunks=False))
    for name, tensor in load_file(slow.model_file).items():
        torch.testing.assert_close(tensor, after[name], rtol=1e-4, atol=1e-6)


def test_an_expert_that_was_learnt_by_matrices_is_an_expert_like_any_other(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier]
) -> None:
    config = classifier("expert", ["video"], train=(), low_rank={"video": RANK})
    directory = run_classifier(config, dataset, folder / "lora expert", options=QUIET)
    expert = load_classifier(directory.path)
    assert not expert.low_rank.names
    assert same_scores(expert.predict(dataset, "test"), directory.scores("test"))
    saved, identity = read_adapter(directory.adapter_folder("video"))
    assert (identity.sides, identity.left, identity.right) == (("video",), (), ())
    start = build_classifier(config, dataset, {}).model.encoder("video")
    matrix_a, matrix_b = (saved.tensors[f"base_model.model.encoders.video.hidden.lora_{k}.weight"] for k in "AB")
    assert bool(matrix_b.any())
    merged = start.hidden.base_layer.weight + matrix_b @ matrix_a
    torch.testing.assert_close(expert.model.encoder("video").hidden.weight, merged)
    both = {**experts, "video": expert}
    over = classifier("mmlora", train=(), starts=hashes(both), low_rank={"video": RANK, "audio": RANK})
    second = run_classifier(over, dataset, folder / "over it", options=QUIET, experts=both)
    assert read_adapter(second.adapter_folder("video"))[1].base == expert.hashes["video"]
    assert same_scores(load_classifier(second.path).predict(dataset, "test"), second.scores("test"))


def test_matrices_that_start_from_the_weights(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier]
) -> None:
    pissa = {"audio": LowRankConfig(rank=2, alpha=2.0, initial="pissa")}
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank=pissa)
    directory = run_classifier(config, dataset, folder / "pissa", options=QUIET, experts=experts)
    found = load_classifier(directory.path).predict(dataset, "test")
    np.testing.assert_allclose(found.logits, directory.scores("test").logits, rtol=1e-4, atol=1e-5)


def test_teachers_hold_the_encoders_near(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], joint: ClassifierDirectory
) -> None:
    def distance(directory: ClassifierDirectory) -> float:
        loaded, items = load_classifier(directory.path), dataset.split("test")
        own = loaded.vectors(dataset, items)
        return sum(
            float((own[name].vectors - expert.vectors(dataset, items)[name].vectors).square().mean())
            for name, expert in experts.items()
        )

    config = classifier("teacher", teachers=hashes(experts), learning__distillation=3.0, learning__epochs=6)
    taught = run_classifier(config, dataset, folder / "taught", options=QUIET, experts=experts)
    assert distance(taught) < 0.8 * distance(joint)
    assert set(taught.status()["teachers"]) == {"video", "audio"}
    assert {term for m in taught.metrics() if m["kind"] == "step" for term in m["terms"]} == {
        "classes",
        "teacher of video",
        "teacher of audio",
    }


def test_something_frozen_that_moves_is_found(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: object, **named: object) -> object:
        built = build_classifier(*arguments, **named)  # type: ignore[arg-type]
        next(built.model.encoder("audio").parameters()).requires_grad_(True)
        return built

    monkeypatch.setattr("trichord.classification.run.build_classifier", wrong)
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank={"video": RANK})
    with pytest.raises(TrainingError, match=r"frozen encoders \['audio'\] moved"):
        run_classifier(config, dataset, folder / "moved", options=replace(QUIET, cache_trunks=False), experts=experts)
    directory = ClassifierDirectory(folder / "moved")
    assert directory.status()["state"] == "failed"
    assert not directory.checkpoint_file.exists()


def test_several_classes_at_once(folder: Path) -> None:
    dataset = make_data(folder / "several", several=True)
    config = classifier("joint", several=True, learning__label_smoothing=0.0, learning__keep="best")
    directory = run_classifier(config, dataset, folder / "sets", options=QUIET)
    scores = directory.scores("test")
    assert scores.truth.shape == scores.logits.shape == (21, 3)
    assert value(scores, "micro F1") > 50
    kept = value(directory.scores("val"), "micro F1")
    assert kept == pytest.approx(directory.status()["best_value"]), "the best weights are kept"
    with pytest.raises(DataError, match="--several"):
        run_classifier(classifier("joint"), dataset, folder / "not sets", options=QUIET)


def test_concatenation(folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier]) -> None:
    low_rank = {"video": RANK}
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank=low_rank, model__fusion="concatenation")
    directory = run_classifier(config, dataset, folder / "beside", options=QUIET, experts=experts)
    assert set(load_file(directory.head_file)) == {"all.weight", "all.bias"}
    assert same_scores(load_classifier(directory.path).predict(dataset, "test"), directory.scores("test"))


def test_probes_can_be_added_later(folder: Path, dataset: Dataset, joint: ClassifierDirectory, mmlora: object) -> None:
    later = run_classifier(classifier("joint"), dataset, folder / "later", options=QUIET, probes=False)
    assert not list(later.path.rglob("probe_*"))
    assert add_probes(later.path, dataset).finished
    assert same_scores(later.scores("test", probe("audio")), joint.scores("test", probe("audio")))
    assert isinstance(mmlora, ClassifierDirectory)
    with pytest.raises(ConfigError, match="kind 'mmlora'"):
        add_probes(mmlora.path, dataset)


def test_a_moved_expert_is_found_or_asked_for(
    tmp_path: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], mmlora: ClassifierDirectory
) -> None:
    root = mmlora.path.parent
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("mmlora", "expert video", "expert audio"):
        shutil.copytree(root / name, moved / name)
    places = read_json(moved / "mmlora" / "experts.json")
    assert {name: place["hash"] for name, place in places.items()} == hashes(experts)
    found = load_classifier(moved / "mmlora").predict(dataset, "test")
    assert same_scores(found, mmlora.scores("test"))
    shutil.copytree(root / "mmlora", tmp_path / "alone" / "mmlora")
    (tmp_path / "alone" / "mmlora" / "experts.json").write_text(
        (root / "mmlora" / "experts.json").read_text().replace(str(root), str(tmp_path / "gone"))
    )
    with pytest.raises(RunError, match=r"stands on the video expert.*experts=\{'video': FOLDER\}"):
        load_classifier(tmp_path / "alone" / "mmlora")
    told = {name: moved / f"expert {name}" for name in experts}
    assert same_scores(load_classifier(tmp_path / "alone" / "mmlora", told).predict(dataset, "test"), found)
    with pytest.raises(RunError, match="stands on"):
        load_classifier(tmp_path / "alone" / "mmlora", {**told, "video": moved / "expert audio"})


def test_wrong_experts_are_refused(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], joint: ClassifierDirectory
) -> None:
    config = classifier("mmlora", train=(), starts=hashes(experts), low_rank={"video": RANK})

    def refused(given: Mapping[str, LoadedClassifier], match: str, **changes: object) -> None:
        with pytest.raises(RunError, match=match):
            run_classifier(replace(config, **changes), dataset, folder / "refused", options=QUIET, experts=given)
        assert not (folder / "refused").exists()

    refused({}, "needs the video expert")
    refused({**experts, "video": experts["audio"]}, "got one of another modality")
    whole = load_classifier(joint.path)
    refused({**experts, "video": whole}, "needs the video expert")
    refused({**experts, "video": whole}, "kind 'joint'", starts={**hashes(experts), "video": whole.hashes["video"]})
    wider = replace(config.model, encoders={**ENCODERS, "video": replace(ENCODERS["video"], dropout=0.5)})
    refused(experts, r"does not fit the experiment \(dropout: 0.2 there, 0.5 here\)", model=wider)
    refused(experts, "learnt from", selection_split="train", fit_splits=("val",))


def test_damaged_weights_are_refused(tmp_path: Path, joint: ClassifierDirectory, mmlora: ClassifierDirectory) -> None:
    shutil.copytree(joint.path, tmp_path / "joint")
    tensors = load_file(joint.model_file)
    name = next(iter(tensors))
    save_tensors(
        tmp_path / "joint" / "model.safetensors", tensors | {name: tensors[name] + 1}, load_tensors(joint.model_file)[1]
    )
    with pytest.raises(RunError, match="are not those that were saved"):
        load_classifier(tmp_path / "joint")
    shutil.copytree(mmlora.path, tmp_path / "mmlora")
    shutil.copytree(mmlora.path.parent / "expert video", tmp_path / "expert video")
    shutil.copytree(mmlora.path.parent / "expert audio", tmp_path / "expert audio")
    file = tmp_path / "mmlora" / "adapters" / "video" / "adapter_config.json"
    file.write_text(file.read_text().replace('"lora_alpha": 2.0', '"lora_alpha": 4.0'))
    with pytest.raises(RunError, match="other matrices than were learnt"):
        load_classifier(tmp_path / "mmlora")


def test_data_that_cannot_serve(folder: Path, dataset: Dataset) -> None:
    def refused(match: str, **changes: object) -> None:
        with pytest.raises(DataError, match=match):
            run_classifier(classifier("joint", **changes), dataset, folder / "never", options=QUIET)
        assert not (folder / "never").exists()

    refused("no split named", report_split="holdout")
    refused("no label 'moods'", label="moods")
    refused("has the classes", model__classes=("a", "b", "c"))
    refused("is 6 wide", model__encoders={**ENCODERS, "video": replace(PLAIN["video"], input_dim=7)})
    refused("--several", several=True, learning__label_smoothing=0.0)

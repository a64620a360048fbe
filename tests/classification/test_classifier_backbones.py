"""Classifiers over pretrained encoders: raw inputs, matrices in the attention, and checkpoints that are gone later."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from classifier_cases import LEARNING, QUIET, hashes, same_scores
from tiny_backbones import COLOURS, raw_dataset, tiny_bert, tiny_vit

from trichord.adapters.settings import LowRankConfig
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.model import FusionClassifierConfig
from trichord.classification.run import run_classifier
from trichord.data import Dataset
from trichord.evaluation.class_scores import value
from trichord.recipes.classifier_encoders import Chosen, choose_encoders

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backbones")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return raw_dataset(folder / "data", missing=True)


@pytest.fixture(scope="module")
def chosen(folder: Path, dataset: Dataset) -> Chosen:
    sources = {"video": str(tiny_vit(folder / "vit")), "text": str(tiny_bert(folder / "bert"))}
    return choose_encoders(dataset, ("video", "text"), sources)


def classifier(chosen: Chosen, kind: str, names: tuple[str, ...], **changes: object) -> ClassifierExperimentConfig:
    optimizer = replace(LEARNING.optimizer, learning_rate=3e-3)
    return ClassifierExperimentConfig(
        recipe="test",
        kind=kind,  # type: ignore[arg-type]
        label="colour",
        letters={"video": "V", "text": "T"},
        model=FusionClassifierConfig(
            encoders={name: chosen.encoders[name] for name in names}, classes=tuple(sorted(COLOURS))
        ),
        learning=replace(LEARNING, optimizer=optimizer, epochs=4, head_ratio=5.0),
        **({"train": ()} | changes),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def experts(folder: Path, chosen: Chosen) -> dict[str, LoadedClassifier]:
    """One learnt by matrices, the other as a whole."""
    low_rank = {"video": LowRankConfig(rank=2, targets=chosen.targets["video"])}
    plans = {
        "video": classifier(chosen, "expert", ("video",), low_rank=low_rank),
        "text": classifier(chosen, "expert", ("text",), train=("text",)),
    }
    return {
        name: load_classifier(run_classifier(plan, chosen.dataset, folder / name, options=QUIET).path)
        for name, plan in plans.items()
    }


def test_matrices_in_the_attention_learn_and_nothing_else(chosen: Chosen, experts: dict[str, LoadedClassifier]) -> None:
    before = chosen.encoders["video"].build().state_dict()
    after = experts["video"].model.encoder("video").state_dict()
    moved = {name for name, tensor in before.items() if not np.array_equal(tensor.numpy(), after[name].numpy())}
    assert moved
    assert all(name.rpartition(".")[0].endswith(("query", "value", "q_proj", "v_proj")) for name in moved), moved
    assert all(name.endswith("weight") for name in moved)


def test_experts_and_mmlora_answer_after_their_checkpoints_are_gone(
    folder: Path, dataset: Dataset, chosen: Chosen, experts: dict[str, LoadedClassifier]
) -> None:
    low_rank = {"text": LowRankConfig(rank=2, targets=chosen.targets["text"])}
    config = classifier(chosen, "mmlora", ("video", "text"), low_rank=low_rank, starts=hashes(experts))
    directory = run_classifier(config, chosen.dataset, folder / "mmlora", options=QUIET, experts=experts)
    head = classifier(chosen, "joint", ("video", "text"))
    frozen = run_classifier(head, chosen.dataset, folder / "head", options=QUIET, probes=False)
    assert value(directory.scores("test"), "accuracy") > 60
    over = classifier(chosen, "head", ("video", "text"), starts=hashes(experts))
    alone = run_classifier(over, chosen.dataset, folder / "alone", options=QUIET, experts=experts)
    for name in ("vit", "bert"):
        shutil.move(folder / name, folder / f"{name} gone")
    for trained in (directory, frozen, alone):
        loaded = load_classifier(trained.path)
        found = loaded.predict(Dataset.open(dataset.path), "test")  # raw: it is prepared by the saved processors
        assert same_scores(found, trained.scores("test"))
    assert not directory.backbone_folder("text").exists(), "its experts hold them"

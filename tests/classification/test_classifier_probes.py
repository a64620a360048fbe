"""Linear probes of a classifier's encoders, and answers to features that are no numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from classifier_cases import QUIET, WIDTHS, classifier, make_data

from trichord.classification import probing
from trichord.classification.directory import ClassifierDirectory, probe
from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.probing import add_probes
from trichord.classification.run import run_classifier
from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.data.classes import read_labels
from trichord.errors import DataError, RunError
from trichord.evaluation.linear_probe import PENALTIES, LinearProbe, fit_probe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probes")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return make_data(folder / "data")


@pytest.fixture(scope="module")
def joint(folder: Path, dataset: Dataset) -> ClassifierDirectory:
    return run_classifier(classifier("joint"), dataset, folder / "joint", options=QUIET)


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_probe_learns_from_fitting_items_and_is_chosen_on_the_selection_split(
    dataset: Dataset, joint: ClassifierDirectory, modality: str
) -> None:
    loaded, truth = load_classifier(joint.path), read_labels(dataset, "mood", False).truth

    def held(split: str) -> tuple[np.ndarray, np.ndarray]:
        items = dataset.split(split)
        found = loaded.vectors(dataset, items)[modality]
        mask = found.held.numpy()
        return found.vectors.numpy()[mask], truth[items][mask]

    def fitted(chosen_on: str) -> LinearProbe:
        return fit_probe(*held("train"), 3, False, PENALTIES, *held(chosen_on))

    right, scores = fitted("val"), joint.scores("test", probe(modality))
    np.testing.assert_allclose(scores.logits[scores.held], right.logits(held("test")[0]), rtol=1e-4, atol=1e-5)
    assert not scores.logits[~scores.held].any()
    for wrong in ("train", "test"):
        assert fitted(wrong).penalty != right.penalty, "the check would notice"


def test_probes_are_added_by_one_process_alone_in_the_folder(
    folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = run_classifier(classifier("joint"), dataset, folder / "later", options=QUIET, probes=False)
    with later.lock(), pytest.raises(RunError, match="another process is working in"):
        add_probes(later.path, dataset)
    waited: list[str] = []
    monkeypatch.setattr(probing, "barrier", lambda: waited.append("here"))
    with monkeypatch.context() as other_process:
        other_process.setattr(probing, "is_main", lambda: False)
        add_probes(later.path, dataset)
    assert not later.status().get("probed", False)
    run_classifier(classifier("joint"), dataset, later.path, options=QUIET)
    assert later.status()["probed"]
    monkeypatch.setattr(probing, "save_probes", None)
    assert add_probes(later.path, dataset).finished, "they are there"
    assert waited == ["here"] * 3, "whoever does not probe waits for who does"
    with pytest.raises(RunError, match="is not a classifier folder"):
        add_probes(folder / "nowhere", dataset)
    assert not (folder / "nowhere").exists()


@pytest.fixture(scope="module")
def spoiled(folder: Path) -> Dataset:
    """Ten items: 3 lacks audio, and the audio of 7 was damaged after it was written."""
    generator = np.random.default_rng(0)
    values = {name: generator.normal(size=(10, width)).astype(np.float32) for name, width in WIDTHS.items()}
    held = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9])
    items = {"id": [f"new {row}" for row in range(10)], "split": ["good"] * 5 + ["bad"] * 5}
    modalities = {"video": ModalityArrays(values["video"]), "audio": ModalityArrays(values["audio"][held], held)}
    write_dataset(folder / "spoiled", name="new", items=pa.table(items), modalities=modalities)
    stored = np.load(folder / "spoiled" / "audio.npy", mmap_mode="r+")
    stored[6, 2] = np.nan
    stored.flush()
    return Dataset.open(folder / "spoiled")


@pytest.fixture(scope="module")
def loaded(joint: ClassifierDirectory) -> LoadedClassifier:
    return load_classifier(joint.path)


def test_features_that_are_no_numbers_get_no_answer(loaded: LoadedClassifier, spoiled: Dataset) -> None:
    with pytest.raises(DataError, match="audio of item 'new 7' holds NaN or infinity"):
        loaded.classify(spoiled, spoiled.split("bad"))
    with pytest.raises(DataError, match="audio of item 'new 7' holds NaN or infinity"):
        loaded.vectors(spoiled, np.arange(10))
    assert np.isfinite(loaded.classify(spoiled, spoiled.split("good")).logits).all(), "what is not asked for is no harm"
    assert np.isfinite(loaded.classify(spoiled, spoiled.split("bad"), only=["video"]).logits).all()


def test_an_answer_that_is_no_number_is_none(joint: ClassifierDirectory, spoiled: Dataset) -> None:
    damaged = load_classifier(joint.path)
    damaged.model.heads["audio"].weight[0, 0] = torch.inf
    with pytest.raises(DataError, match=r"no finite answer to item 'new 0' \(so it is with 5 of 5 items\)"):
        damaged.classify(spoiled, spoiled.split("good"))

"""Features that a linear probe looks at: the mean of each item's instances, steps or words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmlora_cases import short_study

from trichord.data import ModalityArrays, write_dataset
from trichord.evaluation.linear_probe import PENALTIES, fit_probe
from trichord.studies.mmlora.probes import average_features, probe_entrants
from trichord.studies.mmlora.study import prepare

TABLE = {"id": ["a", "b", "c"], "split": ["train"] * 3}


def test_instances_of_an_item_are_averaged_and_an_item_without_any_has_zeros(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 0.0]], np.float32)
    arrays = {"video": ModalityArrays(values, np.array([0, 0, 2]))}
    dataset = write_dataset(tmp_path / "data", name="few", items=TABLE, modalities=arrays)
    found = average_features(dataset, "video", np.array([2, 1, 0]))
    assert found.tolist() == [[5.0, 0.0], [0.0, 0.0], [2.0, 4.0]]


def test_steps_of_a_sequence_are_averaged_without_their_padding(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    arrays = {"audio": ModalityArrays(values, None, np.array([0, 1, 3, 6]))}
    dataset = write_dataset(tmp_path / "data", name="few", items=TABLE, modalities=arrays)
    expected = np.stack([values[:1].mean(axis=0), values[1:3].mean(axis=0), values[3:].mean(axis=0)])
    assert average_features(dataset, "audio", np.arange(3)) == pytest.approx(expected)


def test_the_penalty_is_chosen_on_validation_and_never_on_the_reported_split(tmp_path: Path) -> None:
    """Validation repeats what was learnt from, so that it likes to be learnt by heart; the reported split is new."""
    random = np.random.default_rng(0)
    truth = np.arange(80) % 2
    vectors = random.normal(size=(80, 20)).astype(np.float32)
    vectors[:, 0] += 0.8 * truth
    vectors[20:40] = vectors[:20]
    split = ["train"] * 20 + ["val"] * 20 + ["test"] * 40
    table = {"id": [str(i) for i in range(80)], "split": split, "mood": [("calm", "glad")[n] for n in truth]}
    dataset = write_dataset(
        tmp_path / "data", name="few", items=table, modalities={"video": ModalityArrays(vectors, np.arange(80))}
    )
    (probe,) = probe_entrants(prepare(short_study(), dataset), torch.device("cpu"))
    fitting = (vectors[:20], truth[:20], 2, False, PENALTIES)
    wanted = fit_probe(*fitting, vectors[20:40], truth[20:40]).penalty
    peeking = fit_probe(*fitting, vectors[40:], truth[40:]).penalty
    assert wanted != peeking
    assert probe.setting == f"penalty {wanted:g}"
    assert probe.at_edge == {min(PENALTIES): "smallest", max(PENALTIES): "largest"}.get(wanted, "")

"""Experiments on clips of long videos: refused before any work where the data do not name them, repeatable where."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_cases import tiny_dataset, tiny_experiment

from trichord.config import replaced
from trichord.data import Dataset
from trichord.errors import DataError
from trichord.files import read_json
from trichord.runs import ExperimentConfig, RunDirectory, run_experiment
from trichord.runs.suitability import check_data

BY_SOURCE = {"stages.0.items_per_source": 8, "stages.0.batch_size": 32}
MASKED = {"stages.0.objective.parts.contrast.mask_overlaps": True}


def clips(folder: Path, **columns: object) -> Dataset:
    """The tiny data, with more columns in the table of its items."""
    path = tiny_dataset(folder).path
    table = pd.read_parquet(path / "items.parquet")
    number = np.arange(len(table))
    known = {
        "source": [f"{split}{n // 12}" for n, split in zip(number, table["split"], strict=True)],
        "start": 4.0 * (number % 12),
        "end": 4.0 * (number % 12) + 10.0,
    }
    table.drop(columns=[name for name in known if name in table]).assign(**(known | columns)).to_parquet(
        path / "items.parquet", index=False
    )
    return Dataset.open(path)


def experiment(dataset: Dataset, changes: dict[str, object]) -> ExperimentConfig:
    return replaced(tiny_experiment(dataset, order="VT"), {"stages.0.epochs": 2} | changes)


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        (BY_SOURCE, {"source": None}, "items_per_source draws .* no item to learn from names its source"),
        (MASKED, {"source": None}, "mask_overlaps leaves .* no item to learn from has a source"),
        (MASKED, {"start": None}, "mask_overlaps leaves .* no item to learn from has a source, a start and an end"),
        (MASKED, {"end": None}, "mask_overlaps leaves .* no item to learn from has a source, a start and an end"),
    ],
)
def test_what_the_data_do_not_name_is_refused_before_training(
    tmp_path: Path, changes: dict[str, object], columns: dict[str, object], message: str
) -> None:
    dataset = clips(tmp_path, **columns)
    config = experiment(dataset, changes)
    with pytest.raises(DataError, match=message) as raised:
        run_experiment(config, dataset, tmp_path / "run")
    assert raised.value.file == dataset.path / "items.parquet"
    assert not (tmp_path / "run").exists()
    check_data(experiment(dataset, {}), dataset)


def test_data_without_the_columns_are_refused_too(tmp_path: Path) -> None:
    dataset = tiny_dataset(tmp_path)
    for changes in (BY_SOURCE, MASKED):
        with pytest.raises(DataError, match="no item to learn from"):
            check_data(experiment(dataset, changes), dataset)


def test_a_run_by_source_and_masked_is_carried_out_and_recorded(tmp_path: Path) -> None:
    dataset = clips(tmp_path)
    losses = {}
    for name, changes in {"by source": BY_SOURCE, "masked": BY_SOURCE | MASKED, "again": BY_SOURCE | MASKED}.items():
        run_experiment(experiment(dataset, changes), dataset, tmp_path / name)
        steps = [line for line in RunDirectory(tmp_path / name).metrics() if line["kind"] == "step"]
        losses[name] = [line["loss"] for line in steps]
        # 90 items of 8 videos, 4 videos to a batch.
        (stage,) = read_json(tmp_path / name / "status.json")["stages"]
        assert (stage["sources"], stage["steps_per_epoch"], len(steps)) == (8, 2, 4)
    assert losses["masked"] == losses["again"]
    assert losses["masked"][0] < losses["by source"][0]

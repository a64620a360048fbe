"""Source, start and end as arrays, and in a batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from dataset_maker import IDS, SPLITS, make, write_items

from trichord.batch import Segments
from trichord.data import Dataset, collate, require_segments, require_sources, segment_columns
from trichord.errors import DataError


def opened(folder, drop=(), **more):
    path = make(folder / "set")
    write_items(path, IDS, SPLITS, **more)
    table = pd.read_parquet(path / "items.parquet").drop(columns=list(drop))
    table.to_parquet(path / "items.parquet", index=False)
    return Dataset.open(path)


def test_sources_are_numbered_by_first_occurrence(tmp_path):
    names = ["z", None, "a", "z", "b"]
    columns = segment_columns(opened(tmp_path, source=names))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(n for n in names if n is not None))}
    assert columns.source.tolist() == [-1 if name is None else numbers[name] for name in names]
    assert columns.start.tolist() == [0.0, 2.0, 0.0, 0.0, 1.0]


def test_a_batch_says_which_segments_its_rows_are(tmp_path):
    dataset = opened(tmp_path, source=["x", "x", None, "z", "z"], end=[2.0, 4.0, 1.5, None, 2.0])
    segments = collate(dataset, np.array([4, 3, 2, 1, 1]), ["video"]).segments
    assert segments.source.tolist() == [1, -1, -1, 0, 0], "a row with a null has no segment"
    assert segments.start.tolist() == [1.0, 0.0, 0.0, 2.0, 2.0]
    assert segments.end.tolist() == [2.0, 0.0, 0.0, 4.0, 4.0]
    assert (segments.source.dtype, segments.start.dtype) == (torch.int64, torch.float32)
    moved = segments.to("meta")
    assert isinstance(moved, Segments)
    assert {moved.source.device.type, moved.start.device.type, moved.end.device.type} == {"meta"}
    batch = collate(dataset, np.array([0]), ["video"])
    assert batch.to("meta").segments.end.device.type == "meta"


@pytest.mark.parametrize("column", ["source", "start", "end"])
def test_without_one_of_the_columns_there_are_no_segments(tmp_path, column):
    dataset = opened(tmp_path, drop=[column])
    batch = collate(dataset, np.array([0, 1]), ["video"])
    assert batch.segments is None
    assert batch.to("cpu").segments is None
    with pytest.raises(DataError, match=r"items\.parquet.*mask_overlaps|mask_overlaps.*items\.parquet"):
        require_segments(dataset, np.arange(5))
    if column == "source":
        with pytest.raises(DataError, match="no item to learn from names its source"):
            require_sources(dataset, np.arange(5))
    else:
        require_sources(dataset, np.arange(5))


def test_what_is_required_must_be_there_for_the_items_asked_about(tmp_path):
    dataset = opened(tmp_path, source=["x", "x", None, "z", "z"])
    require_sources(dataset, np.array([2, 3]))
    require_segments(dataset, np.array([2, 3]))
    for require in (require_sources, require_segments):
        with pytest.raises(DataError):
            require(dataset, np.array([2]))

"""From item rows to a batch of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from trichord.batch import Batch, Features, Segments
from trichord.data.dataset import Dataset
from trichord.data.segments import segment_columns
from trichord.shapes import Int


def collate(
    dataset: Dataset,
    items: Int[np.ndarray, " batch"],
    modalities: Iterable[str],
    instance: Mapping[str, Int[np.ndarray, " batch"]] | None = None,
) -> Batch:
    """Read the features of items.

    Args:
        dataset: where from.
        items: item rows of the batch, in order.
        modalities: names of the modalities to read.
        instance: modality name -> the instance to read for each item (see `draw_instances`; not looked at where the
            item lacks the modality). A modality that is not named, or None, means each item's first instance.

    Returns:
        A batch of float32 tensors. `Features.rows` names the rows whose item holds the modality; a modality that no
        item of the batch holds is absent. `Batch.segments` is None where the table lacks one of the columns source,
        start and end; a row for which one of them is null has no segment.
    """
    features: dict[str, Features] = {}
    for name in modalities:
        index = dataset.instances(name)
        rows = np.flatnonzero(index.count[items])  # of these items only: there may be a hundred million others
        if not len(rows):
            continue
        chosen = index.first[items] if instance is None or name not in instance else instance[name]
        found = dataset.read(name, chosen[rows])
        lengths = None if found.lengths is None else torch.from_numpy(found.lengths)
        features[name] = Features(torch.from_numpy(found.values), torch.from_numpy(rows), lengths)
    return Batch(torch.from_numpy(np.ascontiguousarray(items, dtype=np.int64)), features, _segments(dataset, items))


def _segments(dataset: Dataset, items: Int[np.ndarray, " batch"]) -> Segments | None:
    columns = segment_columns(dataset)
    if columns.source is None or columns.start is None or columns.end is None:
        return None
    known = columns.known(items)
    source = np.where(known, columns.source[items], -1).astype(np.int64)
    start, end = (np.where(known, side[items], 0.0).astype(np.float32) for side in (columns.start, columns.end))
    return Segments(torch.from_numpy(source), torch.from_numpy(start), torch.from_numpy(end))

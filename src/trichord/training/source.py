"""Where batches come from: a function of (seed, stage, epoch, step), so that any position can be taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from trichord.batch import Batch
from trichord.data import (
    Dataset,
    GroupedBatches,
    SourceGroups,
    collate,
    draw_instances,
    epoch_batches,
    group_by_source,
    grouped_epoch_batches,
    require_sources,
    segment_columns,
    shard,
)
from trichord.dist import rank, world_size
from trichord.errors import DataError
from trichord.randomness import derive_seed


@dataclass(frozen=True)
class BySource:
    """How batches are made of source videos: see `StageConfig.items_per_source`."""

    groups: SourceGroups
    items_per_source: int
    sources_per_batch: int


class BatchSource:
    """Batches of one stage.

    Args:
        dataset: the data.
        items: (n,) rows of the items to learn from; those that hold none of `modalities` are left out and counted in
            `num_unusable`.
        modalities: names of the modalities to read.
        batch_size: items of the global batch; the attribute is their mean number where they are drawn by source.
        seed: seed of the run.
        stage: number of the stage, so that stages draw differently.
        items_per_source: most items an epoch draws of one source, a batch being batch_size / items_per_source sources;
            None visits every item. See `StageConfig`.
        fewest: some item must hold so many of the modalities: two where they are compared, one where they are
            classified.

    Raises:
        DataError: no item holds so many of the modalities, so nothing could be learnt; or items are to be drawn by
            source and none names one.
    """

    def __init__(
        self,
        dataset: Dataset,
        items: np.ndarray,
        modalities: tuple[str, ...],
        batch_size: int,
        seed: int,
        stage: int,
        items_per_source: int | None = None,
        fewest: int = 2,
    ) -> None:
        held = np.sum([dataset.has(name)[items] for name in modalities], axis=0)
        if not (held >= fewest).any():
            raise DataError(
                f"no item of the fitting split holds {fewest} of the modalities {modalities}",
                file=dataset.path,
                remedy="choose an order whose stages the data can serve, or another split",
            )
        self.dataset, self.modalities, self.batch_size = dataset, modalities, batch_size
        self.items = items[held > 0]
        self.num_unusable = int((held == 0).sum())
        self.seed = derive_seed(seed, "stage", stage)
        self.by_source: BySource | None = None
        if items_per_source is not None:
            require_sources(dataset, self.items)
            groups = group_by_source(segment_columns(dataset), self.items)
            self.by_source = BySource(groups, items_per_source, batch_size // items_per_source)
            self.batch_size = round(groups.most_drawn(items_per_source) / self.num_steps)

    @property
    def num_steps(self) -> int:
        """Steps of one epoch."""
        if self.by_source is None:
            return -(-len(self.items) // self.batch_size)
        return -(-len(self.by_source.groups) // self.by_source.sources_per_batch)

    def epoch(self, epoch: int) -> list[np.ndarray] | GroupedBatches:
        """Return the items of every batch of an epoch; drawn by source, a batch is drawn when it is taken."""
        if self.by_source is None:
            return epoch_batches(self.items, self.batch_size, self.seed, epoch)
        drawn = self.by_source
        return grouped_epoch_batches(drawn.groups, drawn.sources_per_batch, drawn.items_per_source, self.seed, epoch)

    def batch(self, items: np.ndarray, epoch: int) -> Batch:
        """Read this process's share of the items, drawing one instance where an item has several."""
        mine = shard(items, rank(), world_size())
        drawn = {name: draw_instances(self.dataset, mine, name, self.seed, epoch) for name in self.modalities}
        return collate(self.dataset, mine, self.modalities, drawn)

    def steps(self, epoch: int, first_step: int = 0) -> Iterator[tuple[int, Batch]]:
        """Yield (step, batch) from `first_step` to the end of the epoch; the next batch is read while one is used."""
        batches = self.epoch(epoch)

        def read(step: int) -> Batch:
            return self.batch(batches[step], epoch)

        with ThreadPoolExecutor(1) as reader:
            coming = None
            for step in range(first_step, len(batches)):
                batch = coming.result() if coming is not None else read(step)
                coming = reader.submit(read, step + 1) if step + 1 < len(batches) else None
                yield step, batch

"""Where batches come from: a function of (seed, stage, epoch, step), so that any position can be taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from trichord.batch import Batch
from trichord.data import Dataset, collate, draw_instances, epoch_batches, shard
from trichord.dist import rank, world_size
from trichord.errors import DataError
from trichord.randomness import derive_seed


class BatchSource:
    """Batches of one stage.

    Args:
        dataset: the data.
        items: (n,) rows of the items to learn from; those that hold none of `modalities` are left out and counted in
            `num_unusable`.
        modalities: names of the modalities to read.
        batch_size: items of the global batch.
        seed: seed of the run.
        stage: number of the stage, so that stages draw differently.

    Raises:
        DataError: no item holds two of the modalities, so nothing could be compared.
    """

    def __init__(
        self, dataset: Dataset, items: np.ndarray, modalities: tuple[str, ...], batch_size: int, seed: int, stage: int
    ) -> None:
        held = np.sum([dataset.has(name)[items] for name in modalities], axis=0)
        if not (held > 1).any():
            raise DataError(
                f"no item of the fitting split holds two of the modalities {modalities}",
                file=dataset.path,
                remedy="choose an order whose stages the data can serve, or another split",
            )
        self.dataset, self.modalities, self.batch_size = dataset, modalities, batch_size
        self.items = items[held > 0]
        self.num_unusable = int((held == 0).sum())
        self.seed = derive_seed(seed, "stage", stage)

    @property
    def num_steps(self) -> int:
        """Steps of one epoch."""
        return -(-len(self.items) // self.batch_size)

    def batch(self, items: np.ndarray, epoch: int) -> Batch:
        """Read this process's share of the items, drawing one instance where an item has several."""
        mine = shard(items, rank(), world_size())
        drawn = {name: draw_instances(self.dataset, mine, name, self.seed, epoch) for name in self.modalities}
        return collate(self.dataset, mine, self.modalities, drawn)

    def steps(self, epoch: int, first_step: int = 0) -> Iterator[tuple[int, Batch]]:
        """Yield (step, batch) from `first_step` to the end of the epoch; the next batch is read while one is used."""
        groups = epoch_batches(self.items, self.batch_size, self.seed, epoch)
        with ThreadPoolExecutor(1) as reader:
            coming = None
            for step in range(first_step, len(groups)):
                batch = coming.result() if coming is not None else self.batch(groups[step], epoch)
                coming = reader.submit(self.batch, groups[step + 1], epoch) if step + 1 < len(groups) else None
                yield step, batch

"""Data sets on disk, batches of them, importers, checks and the planted corpus. The format: docs/data-format.md."""

from trichord.data.batching import collate
from trichord.data.dataset import Dataset, FeatureArrays, InstanceIndex
from trichord.data.sampling import draw_instances, epoch_batches, shard
from trichord.data.specification import DatasetSpec, ModalitySpec
from trichord.data.words_storage import WordTable
from trichord.data.writing import ModalityArrays, write_dataset

__all__ = [
    "Dataset",
    "DatasetSpec",
    "FeatureArrays",
    "InstanceIndex",
    "ModalityArrays",
    "ModalitySpec",
    "WordTable",
    "collate",
    "draw_instances",
    "epoch_batches",
    "shard",
    "write_dataset",
]

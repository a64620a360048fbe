"""Data sets on disk, batches of them, importers, checks and the planted corpus. The format: docs/data-format.md."""

from trichord.data.batching import collate
from trichord.data.dataset import Dataset, FeatureArrays, InstanceIndex
from trichord.data.grouped_sampling import GroupedBatches, SourceGroups, group_by_source, grouped_epoch_batches
from trichord.data.sampling import draw_instances, epoch_batches, shard
from trichord.data.segments import SegmentColumns, require_segments, require_sources, segment_columns
from trichord.data.specification import DatasetSpec, ModalitySpec
from trichord.data.words_storage import WordTable
from trichord.data.writing import ModalityArrays, write_dataset

__all__ = [
    "Dataset",
    "DatasetSpec",
    "FeatureArrays",
    "GroupedBatches",
    "InstanceIndex",
    "ModalityArrays",
    "ModalitySpec",
    "SegmentColumns",
    "SourceGroups",
    "WordTable",
    "collate",
    "draw_instances",
    "epoch_batches",
    "group_by_source",
    "grouped_epoch_batches",
    "require_segments",
    "require_sources",
    "segment_columns",
    "shard",
    "write_dataset",
]

"""A benchmark of clip retrieval: a named set of items and the way they are counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch import nn

from trichord.data import Dataset
from trichord.errors import ProtocolError
from trichord.evaluation.embed import EmbeddingTable, Progress, embed_split
from trichord.evaluation.named import REGIMES, NamedProtocol, Regime
from trichord.evaluation.result import RetrievalResult
from trichord.evaluation.retrieval import evaluate_tasks
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet, evaluation_set
from trichord.files import hash_bytes
from trichord.modality import AUDIO, TEXT, VIDEO, parse_task
from trichord.shapes import Int

__all__ = ["BENCHMARKS", "REGIMES", "Benchmark", "BenchmarkItems", "Regime", "benchmark_items", "evaluate_benchmark"]


@dataclass(frozen=True, kw_only=True)
class Benchmark(NamedProtocol):
    """What is measured under a name; what is not explained here is explained by `NamedProtocol`.

    Args:
        num_items: items that are counted: what a recall divides by.
        num_held: of these, items with video features; the others are misses. None: not stated by the publication.
        complete: whether every item that is counted has video features in the publication.
        split: split of the data set.
        subset: label that is 1 for the items of the benchmark, None for all of the split.
        outside: items of the split that are not of the subset are "left out", or stay as queries that are a "miss".
        captions: "first" or "all" captions of an item ask.
        captions_per_item: captions that every item has where all of them ask; None: not stated.
    """

    num_items: int
    num_held: int | None = None
    complete: bool = False
    split: str = "test"
    subset: str | None = None
    outside: Literal["left out", "miss"] = "left out"
    captions: Literal["first", "all"] = "first"
    captions_per_item: int | None = None

    @property
    def counted(self) -> str:
        """What is counted, in words."""
        held = "" if self.num_held is None else f", {self.num_held:,} of them with video"
        asked = "their first caption asks" if self.captions == "first" else "each of their captions asks"
        return f"{self.num_items:,} items of the split {self.split!r}{held}; {asked}"

    @property
    def misses(self) -> str:
        """What counts as a miss, in words."""
        always = "an item without the query or the gallery side"
        if self.subset is None:
            return always
        if self.outside == "miss":
            return f"{always}; an item outside {self.subset!r}, whose features are not used"
        return f"{always}; an item outside {self.subset!r} is left out of queries, gallery and denominator"


YOUCOOK2 = Benchmark(
    name="youcook2-3350",
    dataset="youcook2",
    num_items=3350,
    complete=True,
    training="9,586 training clips",
    description="every clip of the validation list, one caption each, queries and gallery alike (MCN, AVLnet)",
)
YOUCOOK2_3339 = replace(
    YOUCOOK2,
    name="youcook2-3339",
    num_held=3339,
    complete=False,
    subset="full_resolution",
    outside="miss",
    description="clips with features of full resolution; the 11 others count as misses (Everything at Once)",
)
MSRVTT = Benchmark(
    name="msrvtt-1k-jsfusion",
    dataset="msrvtt",
    num_items=1000,
    num_held=968,
    training="7,000 clips (Miech et al.), 6,783 of them with sound",
    description="1,000 clips, one sentence each; the 32 without sound are absent and count as misses (MCN, AVLnet)",
)
MSRVTT_1KA = replace(
    MSRVTT,
    name="msrvtt-1k-A",
    num_held=None,
    training="9,000 clips (1k-A)",
    description="the same 1,000 clips, to be used with the training list of 9,000",
)
MSRVTT_884 = replace(
    MSRVTT_1KA,
    name="msrvtt-884",
    num_items=884,
    subset="subset_884",
    description="clips with a caption of their sound; the others are left out of queries, gallery and denominator",
)
MSRVTT_879 = replace(
    MSRVTT_1KA,
    name="msrvtt-879",
    num_items=879,
    subset="subset_879",
    description="the clips that were left in a later collection; the others are left out altogether",
)
MSRVTT_FULL = replace(
    MSRVTT,
    name="msrvtt-full-2990x20",
    num_items=2990,
    num_held=None,
    captions="all",
    captions_per_item=20,
    training="6,513 clips",
    description="the official test split, each of its 20 captions a query",
)
LSMDC = Benchmark(
    name="lsmdc-1000",
    dataset="lsmdc",
    num_items=1000,
    complete=True,
    training="the training list of LSMDC",
    description="1,000 test clips, one caption each",
)
BENCHMARKS = (YOUCOOK2, YOUCOOK2_3339, MSRVTT, MSRVTT_1KA, MSRVTT_884, MSRVTT_879, MSRVTT_FULL, LSMDC)


@dataclass(frozen=True)
class BenchmarkItems:
    """A benchmark's items in a data set.

    Args:
        evaluated: the items that are counted.
        masked: (masked,) items whose features are not used: they are misses.
        deviations: how the data differ from the benchmark, in words; numbers then do not bear its name.
    """

    evaluated: EvaluationSet
    masked: Int[np.ndarray, " masked"]
    deviations: tuple[str, ...]


def benchmark_items(dataset: Dataset, benchmark: Benchmark) -> BenchmarkItems:
    """Find the items of a benchmark and say how they differ from what it demands.

    Raises:
        ProtocolError: the data set is another one, or lacks the label of the subset.
        ConfigError: it lacks the split.
    """
    benchmark.require(dataset)
    items = dataset.split(benchmark.split)
    masked = np.zeros(0, np.int64)
    if benchmark.subset is not None:
        if benchmark.subset not in dataset.labels:
            raise ProtocolError(
                f"the benchmark {benchmark.name} needs the label {benchmark.subset!r}, which {dataset.path} does not "
                "have; import the data with the list of the subset (--subset NAME=FILE)"
            )
        label = dataset.label(benchmark.subset)
        inside = np.array([label[item] == 1 for item in items.tolist()], dtype=bool)
        if benchmark.outside == "miss":
            masked = items[~inside]
        else:
            items = items[inside]
    held = np.isin(items, masked, invert=True) & dataset.has(VIDEO.name)[items]
    deviations = []
    if len(items) != benchmark.num_items:
        deviations.append(f"{len(items):,} items, where the benchmark has {benchmark.num_items:,}")
    if benchmark.num_held is not None and int(held.sum()) != benchmark.num_held:
        deviations.append(f"{held.sum():,} of them with video, where the benchmark has {benchmark.num_held:,}")
    if benchmark.complete and not held.all():
        deviations.append(f"{int((~held).sum()):,} of them without video, where the benchmark has it of all")
    if benchmark.captions_per_item is not None and TEXT in dataset.modalities:
        asked = int(dataset.instances(TEXT.name).count[items].sum())
        wanted = benchmark.captions_per_item * benchmark.num_items
        if asked != wanted:
            deviations.append(f"{asked:,} captions that ask, where the benchmark has {wanted:,}")
    whole = evaluation_set(dataset, benchmark.split)
    evaluated = replace(
        whole,
        items=items,
        items_hash=hash_bytes(dataset.ids[item].encode() for item in items.tolist()),
        benchmark=benchmark.with_deviations(deviations),
    )
    return BenchmarkItems(evaluated, masked, tuple(deviations))


def evaluate_benchmark(
    model: nn.Module,
    dataset: Dataset,
    benchmark: Benchmark,
    scoring: EvaluationConfig,
    *,
    tasks: tuple[str, ...] | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> dict[str, RetrievalResult]:
    """Measure a model on a benchmark.

    Args:
        model: see `embed_split`.
        dataset: its data.
        benchmark: the benchmark.
        scoring: similarity and fusion; captions are the benchmark's.
        tasks: some of its tasks; None: all whose modalities the data set has.
        batch_size, progress: see `embed_split`.

    Returns:
        Task -> result, whose protocol bears the benchmark's name, and the deviations where there are any.
    """
    found = benchmark_items(dataset, benchmark)
    letters = {modality.letter for modality in dataset.modalities}
    chosen = benchmark.check_tasks(tasks) if tasks else benchmark.tasks_of(letters)
    parsed = [parse_task(task, dataset.modalities) for task in chosen]
    needed = {name for task in parsed for name in (*task.query, *task.gallery)}
    names = [modality.name for modality in dataset.modalities if modality.name in needed]
    tables = embed_split(
        model, dataset, found.evaluated.items, modalities=names, batch_size=batch_size, progress=progress
    )
    for name in (VIDEO.name, AUDIO.name):
        if name in tables and len(found.masked):
            tables[name] = _without(tables[name], found.masked)
    return evaluate_tasks(tables, parsed, found.evaluated, replace(scoring, captions=benchmark.captions))


def _without(table: EmbeddingTable, items: Int[np.ndarray, " masked"]) -> EmbeddingTable:
    kept = ~np.isin(table.items, items)
    return EmbeddingTable(table.vectors[kept], table.items[kept])

"""The reproduction: the lab's orders trained or loaded, measured under named protocols, beside all quoted rows.

With narrated video (HowTo100M) every order is trained on it and measured zero-shot, and where a benchmark has training
clips also fine-tuned on them; without it every order is trained on the benchmark's own training clips, from scratch.
A checkpoint of the published code is measured zero-shot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trichord.curricula import parse_order
from trichord.data import Dataset, ModalitySpec
from trichord.data.packing import IMPORT_FILE
from trichord.diagnosis import diagnose
from trichord.errors import ConfigError, DataError
from trichord.evaluation.benchmark import BENCHMARKS, Benchmark, Regime, benchmark_items, evaluate_benchmark
from trichord.evaluation.result import RetrievalResult, load_result
from trichord.files import hash_tensors, read_json
from trichord.modality import spell
from trichord.recipes import Recipe
from trichord.recipes.fine_tune import MSRVTT, YOUCOOK2, fine_tune
from trichord.recipes.published import FRAMES, load_published
from trichord.reports import Entry, Table, build_table, load_entries, write_page
from trichord.reports.lab import LabTable, OurEntry, Section, build_lab_table
from trichord.reports.lab.page import write_lab_page
from trichord.reports.lab.table import TASK, write_lab_table
from trichord.runs import ExperimentConfig, Model, RunDirectory, RunOptions, check_data, load
from trichord.studies.explanations import NARRATED, about_data, about_runs
from trichord.studies.machine import PlannedRun, run_planned
from trichord.studies.orders import changed
from trichord.studies.published_data import OpenedFolder

ORDERS = ("AV_T", "VT_A", "AT_V")
DEFAULTS = {"youcook2": "youcook2-3350", "msrvtt": "msrvtt-1k-jsfusion", "lsmdc": "lsmdc-1000"}
BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What is reproduced.

    Args:
        recipe: the recipe of every run.
        orders: spelled orders.
        num_seeds: seeds 0, 1, ... of each.
        changes: dotted path -> value, applied to every order that has the path.
        checkpoint: file of the published code; None: there is none.
    """

    recipe: Recipe
    orders: tuple[str, ...] = ORDERS
    num_seeds: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        if not self.orders or len(set(self.orders)) != len(self.orders) or self.num_seeds < 1:
            raise ConfigError(f"orders are named once each and there is a seed, got {self.orders}, {self.num_seeds}")


@dataclass(frozen=True)
class ReproductionOutcome:
    """The finished table, and where its page lies."""

    table: LabTable
    page: Path


@dataclass(frozen=True)
class _Rows:
    """Runs of one regime on one data set."""

    regime: Regime
    folders: Sequence[Path]


def reproduce(
    study: Reproduction,
    opened: Mapping[str, OpenedFolder],
    out: Path,
    *,
    workers: int | None = None,
    options: RunOptions | None = None,
) -> ReproductionOutcome:
    """Carry out the reproduction; finished runs and measurements are kept.

    Args:
        study: what is reproduced.
        opened: name -> data set; "howto100m" is trained on, the others are benchmarks.
        out: folder: runs/, table.json, table.md, report.html, and one page per data set and regime.
        workers: runs at once; None decides by model and machine.
        options: choices that do not change the numbers.

    Raises:
        ConfigError, DataError: before anything is trained, when a setting or the data do not fit.
        RunError: some runs failed; the others are kept.
    """
    options = options or RunOptions()
    narrated = opened.get(NARRATED)
    benchmarks = {name: found for name, found in opened.items() if name != NARRATED}
    if not benchmarks:
        raise ConfigError("there is nothing to measure on: name --youcook2, --msrvtt or --lsmdc")
    trainable = {name: found for name, found in benchmarks.items() if "train" in found.dataset.spec.splits}
    if narrated is None and study.checkpoint is None and not trainable:
        raise ConfigError(
            "there is nothing to train on: name --howto100m or --checkpoint, or add the training files of a benchmark"
        )
    if study.checkpoint is not None:
        load_published(study.checkpoint, device="cpu")
    plans = _Plans(study, out, workers, options)
    for found in [narrated] if narrated is not None else trainable.values():
        plans.check(found.dataset)
    for name, found in benchmarks.items():
        learnt = found.dataset if narrated is None else narrated.dataset
        plans.check_measurable(learnt, found.dataset, benchmark_of(name, found.dataset))
    pretrained = [] if narrated is None else plans.train(narrated.dataset, out / "runs" / NARRATED)
    links: dict[str, dict[str, str]] = {}
    sections = []
    for name, found in benchmarks.items():
        rows = []
        if narrated is not None:
            rows = [_Rows("zero-shot", pretrained)]
            if name in trainable:
                rows.append(_Rows("fine-tuned", plans.fine_tune(pretrained, found.dataset, out / "runs" / name)))
        elif name in trainable:
            rows = [_Rows("from scratch", plans.train(found.dataset, out / "runs" / name / "from-scratch"))]
        sections.append(_measure(name, found, rows, narrated, study, out, links))
    table = build_lab_table(sections)
    write_lab_table(out, table)
    write_lab_page(out / "report.html", table, links)
    return ReproductionOutcome(table, out / "report.html")


@dataclass(frozen=True)
class _Plans:
    """Trains what a study plans."""

    study: Reproduction
    out: Path
    workers: int | None
    options: RunOptions

    def configs(self, dataset: Dataset) -> list[tuple[ExperimentConfig, ExperimentConfig]]:
        """Return (as changed, as the recipe gives it) of every order and seed."""
        pairs = []
        for order in self.study.orders:
            for seed in range(self.study.num_seeds):
                config = self.study.recipe(dataset.spec, order, seed)
                if "val" not in dataset.spec.splits:
                    config = replace(config, selection=replace(config.selection, split=None))
                pairs.append((changed(config, self.study.changes), config))
        return pairs

    def check(self, dataset: Dataset) -> None:
        for config, _ in self.configs(dataset):
            check_data(config, dataset)

    def check_measurable(self, learnt: Dataset, measured: Dataset, benchmark: Benchmark) -> None:
        """Raise unless a model of any of the orders, trained on one data set, can be measured on another."""
        benchmark_items(measured, benchmark)
        for order in self.study.orders:
            names = parse_order(order, learnt.modalities)[-1].modalities
            tasks_of(benchmark, measured, names)
        there = {entry.modality.name: entry for entry in measured.spec.modalities}
        for entry in learnt.spec.modalities:
            other = there.get(entry.modality.name)
            if other is None:
                continue
            unlike = [field for field in ("kind", "dim") if getattr(entry, field) != getattr(other, field)]
            words = None not in (entry.words, other.words) and _fingerprint(entry) != _fingerprint(other)
            if unlike or words:
                raise DataError(
                    f"{entry.modality.name} is of another {'file of word vectors' if words else unlike[0]} than in "
                    f"{learnt.path}, so a model of those data cannot read it",
                    file=measured.path,
                    remedy="import both with the same files",
                )

    def train(self, dataset: Dataset, folder: Path) -> list[Path]:
        """Train every order and seed on a data set."""
        plans = [
            PlannedRun(folder / config.order / f"seed-{config.seed}", config, recipe)
            for config, recipe in self.configs(dataset)
        ]
        return self._run(plans, dataset, folder)

    def fine_tune(self, pretrained: Sequence[Path], dataset: Dataset, folder: Path) -> list[Path]:
        """Go on from every trained run on the clips of a benchmark."""
        settings = YOUCOOK2 if dataset.spec.name == "youcook2" else MSRVTT
        plans = []
        for path in pretrained:
            model = load(path)
            published = not model.config.model.normalize
            config = fine_tune(model, dataset.spec, model.config.seed, settings, published=published)
            # Fine-tuning is joint; the order of the table is that of the run it goes on from.
            place = folder / "fine-tuned" / model.config.order / f"seed-{config.seed}"
            plans.append(PlannedRun(place, config, config, initial=path))
        return self._run(plans, dataset, folder)

    def _run(self, plans: Sequence[PlannedRun], dataset: Dataset, folder: Path) -> list[Path]:
        done = run_planned(plans, dataset, workers=self.workers, options=self.options, description=folder.name)
        return [directory.path for directory in done]


def _measure(
    name: str,
    found: OpenedFolder,
    rows: Sequence[_Rows],
    narrated: OpenedFolder | None,
    study: Reproduction,
    out: Path,
    links: dict[str, dict[str, str]],
) -> Section:
    """Measure all rows of one benchmark and gather what explains them."""
    dataset, benchmark = found.dataset, benchmark_of(name, found.dataset)
    items = benchmark_items(dataset, benchmark)
    learnt = dataset if narrated is None else narrated.dataset
    ours: list[OurEntry] = []
    tables: dict[str, Table] = {}
    explanations = [*found.missing, *about_data(dataset, None if narrated is None else narrated.dataset)]
    for row in rows:
        entries = [_under_benchmark(entry, dataset, benchmark) for entry in load_entries(row.folders)]
        if row.regime == "fine-tuned":
            entries = [replace(entry, label=entry.folders[0].parent.name) for entry in _by_order(row.folders, entries)]
        tables[row.regime] = build_table(entries)
        page = f"{name}-{row.regime.replace(' ', '-')}.html"
        write_page(out / page, tables[row.regime], entries, title=f"{name}, {row.regime}")
        links.setdefault(name, {})[f"All tasks, paired tests and curves of {name}, {row.regime}"] = page
        for entry in entries:
            said = diagnose(
                entry.folders[0],
                learnt if row.regime == "zero-shot" else dataset,
                results=entry.results[0],
                evaluated_on=dataset,
            )
            ours.append(OurEntry(row.regime, entry, said.sentence))
        explanations += about_runs(row.regime, entries, dataset if row.regime != "zero-shot" else learnt)
    if study.checkpoint is not None:
        ours.append(OurEntry("zero-shot", _checkpoint_entry(study.checkpoint, dataset, benchmark, out / "runs" / name)))
    regime: Regime = rows[0].regime if rows else "zero-shot"
    return Section(
        dataset=name,
        benchmark=items.evaluated.benchmark,
        deviations=items.deviations,
        fingerprints={entry.regime: benchmark.identify(TASK, entry.regime) for entry in ours},
        ours=tuple(ours),
        regime=regime,
        tables=tables,
        explanations=tuple(explanations),
    )


def benchmark_of(name: str, dataset: Dataset) -> Benchmark:
    """Return the benchmark that the lab measured on a data set; that of MSR-VTT depends on the training list."""
    chosen = DEFAULTS[name]
    made = dataset.path / IMPORT_FILE
    if name == "msrvtt" and made.exists() and read_json(made).get("train") == "9k":
        chosen = "msrvtt-1k-A"
    (benchmark,) = (benchmark for benchmark in BENCHMARKS if benchmark.name == chosen)
    return benchmark


def tasks_of(benchmark: Benchmark, dataset: Dataset, model: Collection[str]) -> tuple[str, ...]:
    """Return the benchmark's tasks that the data and a model of these modalities allow."""
    shared = {modality.letter for modality in dataset.modalities if modality.name in model}
    return benchmark.tasks_of(shared)


def _under_benchmark(entry: Entry, dataset: Dataset, benchmark: Benchmark) -> Entry:
    """Return the entry with its results under the benchmark, measured once and kept in the run folders."""
    results = []
    for folder in entry.folders:
        inside = folder / "results" / f"{dataset.spec.name}-{benchmark.name}"
        config = RunDirectory(folder).record().config
        tasks = tasks_of(benchmark, dataset, config.model.encoders)
        kept = _kept_results(inside, dataset, benchmark, tasks)
        if kept is None:
            scoring, size = config.evaluation.scoring, min(config.evaluation.batch_size, BATCH)
            encoder = load(folder).encoder
            kept = evaluate_benchmark(encoder, dataset, benchmark, scoring, tasks=tasks, batch_size=size)
            for result in kept.values():
                result.save(inside)
        results.append(kept)
    return replace(entry, results=tuple(results))


def _kept_results(
    folder: Path, dataset: Dataset, benchmark: Benchmark, tasks: Sequence[str]
) -> dict[str, RetrievalResult] | None:
    wanted = benchmark_items(dataset, benchmark).evaluated
    try:
        found = {task: load_result(folder, task) for task in tasks}
    except ValueError:
        return None
    good = all(
        result.protocol.dataset_fingerprint == wanted.fingerprint and result.protocol.benchmark == wanted.benchmark
        for result in found.values()
    )
    return found if good else None


def _by_order(folders: Sequence[Path], entries: Sequence[Entry]) -> list[Entry]:
    """Split entries of fine-tuned runs, which are all joint, by the order of the run they went on from."""
    orders = list(dict.fromkeys(folder.parent.name for folder in folders))
    by_folder = {folder: (entry, k) for entry in entries for k, folder in enumerate(entry.folders)}
    grouped = []
    for order in orders:
        members = [by_folder[folder] for folder in folders if folder.parent.name == order]
        grouped.append(
            replace(
                members[0][0],
                results=tuple(entry.results[k] for entry, k in members),
                seeds=tuple(entry.seeds[k] for entry, k in members),
                folders=tuple(entry.folders[k] for entry, k in members),
                curves=tuple(entry.curves[k] for entry, k in members),
                verdicts=tuple(entry.verdicts[k] for entry, k in members),
                environments=tuple(entry.environments[k] for entry, k in members),
            )
        )
    return grouped


def _checkpoint_entry(path: Path, dataset: Dataset, benchmark: Benchmark, folder: Path) -> Entry:
    """Measure a checkpoint of the published code."""
    model: Model = load_published(path, evaluation_frames=FRAMES[dataset.spec.name])
    inside = folder / "checkpoint" / model.identity
    tasks = tasks_of(benchmark, dataset, model.modalities)
    results = _kept_results(inside, dataset, benchmark, tasks)
    if results is None:
        scoring = model.config.evaluation.scoring
        results = evaluate_benchmark(model.encoder, dataset, benchmark, scoring, tasks=tasks, batch_size=BATCH)
        for result in results.values():
            result.save(inside)
    known = list(model.config.modalities)
    settings = {"file": path.name, "weights": hash_tensors(dict(model.encoder.state_dict()))}
    label = f"{path.name} ({spell(model.modalities, known)})"
    return Entry(label, "baseline", (results,), (0,), (path,), settings)


def _fingerprint(entry: ModalitySpec) -> str | None:
    return None if entry.words is None else entry.words.fingerprint

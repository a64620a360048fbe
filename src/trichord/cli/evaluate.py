"""`trichord evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from trichord.adapters.settings import BASE
from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.errors import ConfigError
from trichord.evaluation import RetrievalResult, evaluate
from trichord.evaluation.benchmark import Benchmark, evaluate_benchmark
from trichord.evaluation.embed import Progress
from trichord.evaluation.named import NamedProtocol
from trichord.evaluation.named_protocols import find_protocol
from trichord.evaluation.step_benchmark import StepBenchmark, evaluate_step_benchmark
from trichord.evaluation.whole_video_benchmark import WholeVideoBenchmark, evaluate_whole_video_benchmark
from trichord.files import write_json
from trichord.modality import parse_task
from trichord.recipes.published import FRAMES, load_published
from trichord.reports import print_results
from trichord.reports.steps_terminal import print_steps
from trichord.reports.videos_terminal import print_videos
from trichord.runs import Model, load

CHECKPOINT = ".pth"
SPLIT = "test"


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a finished run, or a published checkpoint, on any split of any data set with its modalities.

    With --benchmark it is measured under a named protocol, which fixes items, captions and what counts as a miss.
    Clips: youcook2-3350, youcook2-3339, msrvtt-1k-jsfusion, msrvtt-1k-A, msrvtt-884, msrvtt-879, msrvtt-full-2990x20,
    lsmdc-1000. Whole videos: youcook2-whole-video. Steps in videos: crosstask-steps. `trichord benchmarks` says what
    each of them means.

    Args:
        run: run folder, or a file of the published MCN code (e30.pth).
        data: folder of the data set.
        split: split to measure on; None: test, or that of the benchmark.
        benchmark: measure under this named protocol.
        tasks: spelled tasks; empty means those of the run, or those of the benchmark that run and data allow.
        adapters: folders of adapters over the run, which are loaded beside those that it holds.
        adapter: measure under this adapter, or under "base"; must be said where adapters are loaded.
        captions: which captions of an item take part; None means as in the run, or as in the benchmark.
        out: folder to write the results to; None only prints them.
        json: print JSON.
    """

    run: Positional[Path]
    data: Path
    split: str | None = None
    benchmark: str | None = None
    tasks: tuple[str, ...] = ()
    adapters: tuple[Path, ...] = ()
    adapter: str | None = None
    captions: Literal["first", "all"] | None = None
    out: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Evaluate, arguments, "trichord evaluate")
    benchmark = None if command.benchmark is None else find_protocol(command.benchmark)
    if benchmark is not None:
        for name in ("split", "captions"):
            if getattr(command, name) is not None:
                raise ConfigError(f"the benchmark {benchmark.name} says which {name} it takes; leave out --{name}")
    dataset = Dataset.open(command.data)
    if benchmark is not None:
        benchmark.require(dataset)
    with _adapted(command, dataset) as model:
        if benchmark is None:
            _measure_split(command, dataset, model)
        else:
            _measure_benchmark(command, benchmark, dataset, model)


def load_model(path: Path, dataset: str = "") -> Model:
    """Load a run folder, or a checkpoint of the published code, which takes clips of a data set as it was published."""
    if path.suffix != CHECKPOINT:
        return load(path)
    return load_published(path, evaluation_frames=FRAMES.get(dataset, FRAMES["youcook2"]))


@contextmanager
def _adapted(command: Evaluate, dataset: Dataset) -> Iterator[Model]:
    """Load the model and let it work under the adapter that was asked for."""
    model = load_model(command.run, dataset.spec.name)
    for folder in command.adapters:
        model.load_adapter(folder)
    if model.adapters and command.adapter is None:
        raise ConfigError(
            f"adapters are loaded ({', '.join(model.adapters)}): say which is meant, as in --adapter "
            f"{model.adapters[0]}, or --adapter {BASE} for none of them; a missing adapter never means none"
        )
    with model.bank.using(command.adapter or BASE):
        yield model


def _measure_split(command: Evaluate, dataset: Dataset, model: Model) -> None:
    config = model.config
    scoring = config.evaluation.scoring
    if command.captions is not None:
        scoring = replace(scoring, captions=command.captions)
    tasks = [parse_task(spelling, config.modalities) for spelling in command.tasks or config.tasks]
    size = config.evaluation.batch_size
    _show_clips(command, evaluate(model.encoder, dataset, command.split or SPLIT, tasks, scoring, batch_size=size))


def _measure_benchmark(command: Evaluate, benchmark: NamedProtocol, dataset: Dataset, model: Model) -> None:
    scoring, size = model.config.evaluation.scoring, model.config.evaluation.batch_size
    known = {modality.letter for modality in dataset.modalities if model.supports(modality.name)}
    tasks = command.tasks or benchmark.tasks_of(known)
    if isinstance(benchmark, StepBenchmark):
        steps = evaluate_step_benchmark(
            model.encoder, dataset, benchmark, scoring, tasks=tasks, progress=_bar("videos")
        )
        if not _written(command, steps.to_dict()):
            print_steps(steps, benchmark)
    elif isinstance(benchmark, WholeVideoBenchmark):
        videos = evaluate_whole_video_benchmark(
            model.encoder, dataset, benchmark, scoring, tasks=tasks, batch_size=size
        )
        if not _written(command, {task: result.to_dict() for task, result in videos.items()}):
            print_videos(videos, benchmark)
    else:
        assert isinstance(benchmark, Benchmark)
        _show_clips(
            command, evaluate_benchmark(model.encoder, dataset, benchmark, scoring, tasks=tasks, batch_size=size)
        )


def _show_clips(command: Evaluate, results: Mapping[str, RetrievalResult]) -> None:
    if command.out is not None:
        for result in results.values():
            result.save(command.out)
    if command.json:
        print(json.dumps({task: result.to_dict() for task, result in results.items()}))
    else:
        print_results(results)


def _written(command: Evaluate, found: dict[str, Any]) -> bool:
    """Write NAME.json where a folder was given; print JSON and return True where that was asked for."""
    if command.out is not None:
        command.out.mkdir(parents=True, exist_ok=True)
        write_json(command.out / f"{command.benchmark}.json", found)
    if command.json:
        print(json.dumps(found))
    return command.json


def _bar(what: str) -> Progress:
    """Return a bar on a terminal, and nothing elsewhere."""
    bar = tqdm(desc=what, disable=None)

    def shown(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return shown

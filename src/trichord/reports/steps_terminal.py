"""Step localisation on the terminal: decoders by averagings with intervals and chance, then every task."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from trichord.evaluation.step_benchmark import StepBenchmark
from trichord.evaluation.step_result import StepRecall, StepResult
from trichord.reports.console import make_console
from trichord.reports.lab.other_figures import STEPS, STEPS_NOTE
from trichord.reports.quoted_terminal import quoted_rows


def print_steps(result: StepResult, benchmark: StepBenchmark, console: Console | None = None) -> None:
    """Print a result and everything that must be known to read it."""
    console = console or make_console()
    console.print(render_steps(result, benchmark))


def render_steps(result: StepResult, benchmark: StepBenchmark) -> RenderableType:
    """Lay a result out: all decoders and averagings, tasks, warnings, how it was measured, and published rows."""
    return Group(
        _recalls(result, benchmark),
        Text("± is half the width of the 95 % bootstrap interval over videos within tasks.", style="dim"),
        Text(f"Bold: what {benchmark.name} means ({benchmark.decoder}, {benchmark.averaging}).\n", style="dim"),
        Text(f"Recall of every task ({benchmark.decoder}, {benchmark.averaging})", style="bold"),
        _tasks(result, benchmark),
        Text(""),
        *_remarks(result, benchmark),
        *quoted_rows(STEPS, STEPS_NOTE),
    )


def _recalls(result: StepResult, benchmark: StepBenchmark) -> Grid:
    grid = _grid("", "recall in %", "mean of videos", "chance", "pooled", "chance")
    for task, scores in result.galleries.items():
        for place, (name, decoder) in enumerate(scores.decoders.items()):
            cells: list[Text] = []
            for recall in (decoder.mean_of_videos, decoder.pooled):
                cells += _cells(recall, meant=recall is benchmark.number(scores))
            grid.add_row(Text(task if place == 0 else "", style="bold"), Text(name), *cells)
        grid.add_row("", "mAP", Text(f"{scores.mean_average_precision:>5.1f}"), "", "", "")
    return grid


def _tasks(result: StepResult, benchmark: StepBenchmark) -> Grid:
    empty = result.num_without_steps
    grid = _grid("task", *result.galleries, *(["videos without steps"] if empty else []))
    found = [benchmark.number(scores).tasks for scores in result.galleries.values()]
    for task in found[0]:
        left_out = [Text(f"{empty.get(task, 0):,}")] if empty else []
        grid.add_row(Text(task), *(Text(f"{tasks[task]:>5.1f}") for tasks in found), *left_out)
    return grid


def _remarks(result: StepResult, benchmark: StepBenchmark) -> Iterator[Text]:
    first = next(iter(result.galleries.values())).protocol
    if first.benchmark != benchmark.name:
        yield Text(f"Not the published protocol: {first.benchmark}.", style="yellow")
    yield from (Text(flag, style="bold red") for flag in result.flags)
    for task, scores in result.galleries.items():
        yield from (Text(f"{task}: {flag}", style="bold red") for flag in scores.flags)
    empty, num_tasks = sum(result.num_without_steps.values()), first.num_tasks - len(result.tasks_without_steps)
    yield Text(
        f"{len(result.video_items):,} videos of {num_tasks} tasks of {first.dataset}, split {first.split}; "
        f"left out because no step occurs in them: {empty}; {first.similarity}, {first.fusion}"
    )
    missing = ", ".join(f"{task} {scores.num_missing}" for task, scores in result.galleries.items())
    yield Text(f"Videos that lack the gallery's modalities, every step a miss: {missing}.")
    if result.num_late_seconds:
        late = f"{result.num_late_seconds:,}"
        yield Text(f"Seconds after the end of their video's audio, which have its last window: {late}.")
    for names, why in ((result.tasks_without_steps, "no step occurs in any"), (result.tasks_without_videos, "have no")):
        if names:
            yield Text(f"Tasks left out ({why} video): {', '.join(names)}.", style="yellow")


def _cells(recall: StepRecall, *, meant: bool) -> list[Text]:
    half = (recall.value.high - recall.value.low) / 2
    value = Text(f"{recall.value.value:>5.1f} ", style="bold" if meant else "")
    return [value + Text(f"±{half:.1f}", style="dim"), Text(f"{recall.chance:>5.1f}", style="dim")]


def _grid(*headings: str) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(heading, no_wrap=True)
    return grid

"""The results of one evaluation on the terminal: tasks by metrics, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from trichord.evaluation.protocol import Protocol
from trichord.evaluation.result import RetrievalResult
from trichord.evaluation.settings import CAPTIONS
from trichord.metrics.retrieval import METRICS
from trichord.reports.console import make_console
from trichord.reports.numbers import show


def print_results(results: Mapping[str, RetrievalResult], console: Console | None = None) -> None:
    """Print the results (task -> result) of one model on one split."""
    console = console or make_console()
    console.print(render_results(results))


def render_results(results: Mapping[str, RetrievalResult]) -> RenderableType:
    """Lay results out: a line per task, below it what chance would score, then warnings and how it was measured."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    grid.add_column("", no_wrap=True)
    for metric in METRICS:
        grid.add_column(metric, no_wrap=True)
    for task, result in results.items():
        grid.add_row(Text(task, style="bold"), *(_cell(result, metric) for metric in METRICS))
        grid.add_row("  chance", *(f"{show(metric, result.chance[metric]):>5}" for metric in METRICS), style="dim")
    lines = [Text("± is half the width of the 95 % bootstrap interval over items.", style="dim")]
    lines += [Text(f"{task}: {flag}", style="bold red") for task, result in results.items() for flag in result.flags]
    lines += [Text(line) for line in _measured(results)]
    return Group(grid, Text(""), *lines)


def _cell(result: RetrievalResult, metric: str) -> Text:
    estimate = result.metrics[metric]
    half = show(metric, (estimate.high - estimate.low) / 2)
    return Text(f"{show(metric, estimate.value):>5} ") + Text(f"±{half}", style="dim")


def _measured(results: Mapping[str, RetrievalResult]) -> list[str]:
    tasks: dict[str, list[str]] = {}
    for task, result in results.items():
        protocol = result.protocol
        line = (
            f"{result.num_queries} queries against {protocol.num_items} items of {protocol.dataset}, split "
            f"{protocol.split}{_captions(protocol)}; missing counted as misses: {result.num_missing}"
            f"{'' if protocol.benchmark == 'none' else f'; benchmark: {protocol.benchmark}'}"
        )
        tasks.setdefault(line, []).append(task)
    return [f"{', '.join(names)}: {line}" for line, names in tasks.items()]


def _captions(protocol: Protocol) -> str:
    """Say which captions took part, on whichever side has several."""
    several = {c for c in (protocol.query_captions, protocol.gallery_captions) if c in CAPTIONS}
    return "".join(f", {choice} captions" if choice == "all" else ", first caption" for choice in sorted(several))

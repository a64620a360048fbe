"""Retrieval of whole videos on the terminal: ways of asking by recalls, with intervals and chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from trichord.evaluation.whole_video import WholeVideoResult
from trichord.evaluation.whole_video_benchmark import WholeVideoBenchmark
from trichord.reports.console import make_console
from trichord.reports.lab.other_figures import WHOLE_VIDEO, WHOLE_VIDEO_NOTE
from trichord.reports.quoted_terminal import quoted_rows

METRICS = ("R@1", "R@5", "R@10")


def print_videos(
    results: Mapping[str, WholeVideoResult], benchmark: WholeVideoBenchmark, console: Console | None = None
) -> None:
    """Print the results (task -> result) of one model and everything that must be known to read them."""
    console = console or make_console()
    console.print(render_videos(results, benchmark))


def render_videos(results: Mapping[str, WholeVideoResult], benchmark: WholeVideoBenchmark) -> RenderableType:
    """Lay results out: four ways of asking per task, warnings, how it was measured, and published rows."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in ("", "asked by", *METRICS, "chance", "queries", "misses"):
        grid.add_column(heading, no_wrap=True)
    for task, result in results.items():
        for place, (way, scores) in enumerate(result.ways.items()):
            style = "bold" if way == benchmark.way else ""
            grid.add_row(
                Text(task if place == 0 else "", style="bold"),
                Text(way, style=style),
                *(_cell(result, way, metric, style) for metric in METRICS),
                Text("/".join(f"{scores.chance[metric]:.1f}" for metric in METRICS), style="dim"),
                Text(f"{len(scores.query_videos):,}", style="dim"),
                Text(f"{scores.num_missing:,}", style="dim"),
            )
    return Group(
        grid,
        Text("± is half the width of the 95 % bootstrap interval over videos.", style="dim"),
        Text(f"Bold: what {benchmark.name} means ({benchmark.way}).\n", style="dim"),
        *_remarks(results, benchmark),
        *quoted_rows(WHOLE_VIDEO, WHOLE_VIDEO_NOTE),
    )


def _cell(result: WholeVideoResult, way: str, metric: str, style: str) -> Text:
    estimate = result.ways[way].metrics[metric]
    half = (estimate.high - estimate.low) / 2
    return Text(f"{estimate.value:>5.1f} ", style=style) + Text(f"±{half:.1f}", style="dim")


def _remarks(results: Mapping[str, WholeVideoResult], benchmark: WholeVideoBenchmark) -> Iterator[Text]:
    protocol = next(iter(results.values())).protocol
    if protocol.benchmark != benchmark.name:
        yield Text(f"Not the published protocol: {protocol.benchmark}.", style="yellow")
    for task, result in results.items():
        yield from (Text(f"{task}: {flag}", style="bold red") for flag in result.flags)
        for way, scores in result.ways.items():
            yield from (Text(f"{task}, {way}: {flag}", style="bold red") for flag in scores.flags)
    yield Text(
        f"{protocol.num_videos:,} videos made of {protocol.num_items:,} clips of {protocol.dataset}, split "
        f"{protocol.split}; {protocol.similarity}, {protocol.fusion}"
    )

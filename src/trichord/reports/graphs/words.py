"""How the measures, times and trials of a study of graphs are called and written."""

from __future__ import annotations

import shlex

from trichord.metrics.retrieval import HIGHER_IS_BETTER
from trichord.reports.graphs.lines import TrialLine
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.numbers import counted, listed, show_signed

STATES = {"finished": "finished", "pruned": "stopped early", "failed": "failed"}
GRAPH_FILE = "graph.txt"


def classifies(report: GraphStudyReport) -> bool:
    """Whether the target tells classes apart rather than comparing two sides."""
    return report.best.nodes[report.best.target].classifies


def spoken_metric(metric: str, *, of_classes: bool) -> str:
    """Name a measure as readers of its task do: the R@1 of a classifier is its accuracy, its R@5 the top-5 accuracy."""
    if not of_classes or not metric.startswith("R@"):
        return metric
    return "accuracy" if metric == "R@1" else f"top-{metric[2:]} accuracy"


def metric_name(report: GraphStudyReport, metric: str) -> str:
    """Name a measure of a study, see `spoken_metric`."""
    return spoken_metric(metric, of_classes=classifies(report))


def metric_title(report: GraphStudyReport, metric: str) -> str:
    """Name a measure where a sentence or a column begins: "Accuracy"."""
    name = metric_name(report, metric)
    return name[0].upper() + name[1:]


def deciding_metric(report: GraphStudyReport) -> str:
    """Return the measure of the final comparison that the answer is told by.

    It is the one that decided on validation, or the first that was measured where that one was not; the deciding one
    where nothing was measured.
    """
    measured = report.metrics
    return report.metric if report.metric in measured or not measured else measured[0]


def unit(metric: str) -> str:
    """Return what follows a difference of a measure: " points" of percentages."""
    return " points" if metric.startswith("R@") else ""


def show_gain(metric: str, value: float) -> str:
    """Write a difference with its unit: "+1.9 points"."""
    return f"{show_signed(metric, value)}{unit(metric)}"


def show_spread(metric: str, value: float) -> str:
    """Write a standard deviation or an expected gain, with one digit more than a value: it is small."""
    return f"{value:.4f}" if metric == "MRR" else f"{value:.2f}"


def show_seconds(seconds: float) -> str:
    """Write a time: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def higher_is_better(metric: str) -> bool:
    """Whether more of a measure is better."""
    return HIGHER_IS_BETTER[metric]


def last_value(trial: TrialLine) -> tuple[int, float] | None:
    """Return (epochs done, validation value) where a trial ended; None where it was never validated.

    The value of a finished trial is the one that the search was told.
    """
    if not trial.curve:
        return None
    epochs, value = trial.curve[-1]
    return epochs, value if trial.value is None else trial.value


def count_states(report: GraphStudyReport) -> str:
    """Say how the trials ended: "19 finished, 10 stopped early, 1 failed"."""
    counts = {state: len(report.in_state(state)) for state in ("finished", "pruned", "failed")}
    return listed([f"{number} {STATES[state]}" for state, number in counts.items() if number]) or "none"


def describe_trials(report: GraphStudyReport) -> str:
    """Count the trials, and say how they ended."""
    return f"{counted(len(report.trials), 'trial')}: {count_states(report)}"


def train_command(report: GraphStudyReport, graph: str = GRAPH_FILE) -> str:
    """Return the command that trains the best graph as the study did, quoted for a shell.

    Args:
        report: the study.
        graph: file of the graph; by default the one beside the page, for a shell in its folder.
    """
    data = str(report.settings.get("data", report.dataset))
    words = ["trichord", "graph", "train", "--data", data, "--target", report.task, "--graph", graph]
    return shlex.join([*words, *report.train_options, "--out", "runs/best-graph"])

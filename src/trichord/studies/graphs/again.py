"""The options of `trichord graph train` that train the reported graph again, as the study did."""

from __future__ import annotations

from trichord.config import difference
from trichord.graphs.graph import GraphConfig
from trichord.recipes.graphs import graph_experiment
from trichord.studies.graphs.experiments import Planner


def train_options(planner: Planner, graph: GraphConfig) -> tuple[str, ...]:
    """Return the words that train a graph as the final comparison did, with the first of its seeds.

    What has an option of its own is said by it, where it is not the default; every other field that differs from what
    these options make is set by its path.

    Args:
        planner: the study and its data.
        graph: the graph, with the folders that its frozen nodes come from.
    """
    study = planner.study
    seed = study.seeds_of_report[0]
    config = planner.config(graph, seed, final=True)
    made = graph_experiment(
        planner.dataset,
        graph,
        study.task,
        seed,
        recipe=study.recipe,
        epochs=study.epochs,
        fit_splits=config.fit_splits,
        report_split=study.report_split,
        base=planner.base,
    )
    words = ["--recipe", study.recipe, "--seed", str(seed), "--fit-splits", *config.fit_splits]
    words += ["--report-split", study.report_split]
    if study.epochs is not None:
        words += ["--epochs", str(study.epochs)]
    if study.base is not None:
        words += ["--base", str(study.base.resolve())]
    for path, (_, value) in difference(made, config).items():
        words += _spell(f"set.{path.replace('_', '-')}", value)
    return tuple(words)


def _spell(path: str, value: object) -> list[str]:
    """Write a field as an option: a flag for yes and no, and values one after the other."""
    if isinstance(value, bool):
        parent, _, name = path.rpartition(".")
        return [f"--{path}" if value else f"--{parent}.no-{name}"]
    return [f"--{path}", *map(str, value if isinstance(value, (list, tuple)) else [value])]

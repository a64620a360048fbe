"""What a study of pairs compares its routed model with: orders, and a specialist for every pair."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from trichord.adapters.settings import adapter_name
from trichord.data import Dataset
from trichord.evaluation import RetrievalResult
from trichord.evaluation.route import RouteConfig
from trichord.evaluation.views import Views, embed_views
from trichord.modality import Pair, Task, parse_task, spell_task
from trichord.reports.entries import Entry
from trichord.runs import ExperimentConfig, Model, RunDirectory, load
from trichord.studies.routed_report import Rival
from trichord.studies.routing import Splits, base_routes, fused_only, measure_routes


def able_tasks(tasks: Sequence[str], held: Collection[str], dataset: Dataset) -> list[Task]:
    """Return the tasks all of whose modalities are held."""
    found = [parse_task(spelling, dataset.modalities) for spelling in tasks]
    return [task for task in found if {*task.query, *task.gallery} <= set(held)]


def order_rivals(
    order: str,
    runs: Sequence[RunDirectory],
    dataset: Dataset,
    splits: Splits,
    config: ExperimentConfig,
    fusion: Mapping[str, RouteConfig],
) -> list[Rival]:
    """Measure an order, one run per seed, on those of the tasks that it has the modalities of.

    Args:
        order: its spelling.
        runs: one per seed.
        dataset: the data.
        splits: the items.
        config: the experiment of the base.
        fusion: task -> the way of the base's own; where it fuses several rankings, or leaves a modality out, the order
            is measured by it too, so that no order loses for want of that.
    """
    models = [load(run.path) for run in runs]
    views = [_views(model, dataset, splits, config) for model in models]
    able = base_routes(able_tasks(config.tasks, models[0].modalities, dataset), dataset)
    fused = {task: route for task, route in fused_only(fusion).items() if task in able}
    seeds, scoring = range(len(views)), config.evaluation.scoring
    rivals = [
        Rival(
            measure_routes(order, views, seeds, able, splits.measured, scoring),
            f"the order {order}, sides of several modalities summed",
        )
    ]
    if fused:
        entry = measure_routes(f"{order}, fused", views, seeds, fused, splits.measured, scoring)
        rivals.append(Rival(entry, f"the order {order} with the base's own fusion"))
    return rivals


def specialists_rival(
    runs: Mapping[Pair, Sequence[RunDirectory]],
    dataset: Dataset,
    tasks: Sequence[Task],
    splits: Splits,
    config: ExperimentConfig,
) -> Rival:
    """Measure every task by the specialist of its pair; a task without one is not measured."""
    known, scoring = dataset.modalities, config.evaluation.scoring
    results: list[dict[str, RetrievalResult]] = [{} for _ in next(iter(runs.values()))]
    for pair, of_pair in runs.items():
        label = f"specialist {adapter_name(pair, known)}"
        own = [task for task in tasks if {task.query, task.gallery} == {pair.left, pair.right}]
        views = [_views(load(run.path), dataset, splits, config) for run in of_pair]
        routes = base_routes(own, dataset)
        found = measure_routes(label, views, range(len(views)), routes, splits.measured, scoring)
        for mine, more in zip(results, found.results, strict=True):
            mine.update(more)
    order = [spell_task(task, known) for task in tasks]
    ordered = tuple({task: mine[task] for task in order if task in mine} for mine in results)
    entry = Entry("specialists", "trained", ordered, tuple(range(len(ordered))), (), {})
    return Rival(entry, "for each pair, the encoders of the base fine-tuned whole on that pair alone")


def _views(model: Model, dataset: Dataset, splits: Splits, config: ExperimentConfig) -> Views:
    return embed_views(
        model.bank,
        dataset,
        splits.measured.items,
        modalities=model.modalities,
        adapters=(),
        batch_size=config.evaluation.batch_size,
    )

"""Studies of graphs that are made longer, that have several seeds, and whose nodes are adapters over a base."""

import html
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_search_cases import AV, OWN, TV, small_space, tiny_dataset, tiny_study

from trichord.adapters.settings import LowRankConfig
from trichord.cli import graph_train
from trichord.cli.main import main
from trichord.config import replaced
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.data import Dataset
from trichord.evaluation import evaluate
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import NodeConfig
from trichord.graphs.text import spell_graph
from trichord.metrics.bootstrap import holm
from trichord.modality import parse_task
from trichord.recipes import heads
from trichord.recipes.adapt import Adaptation
from trichord.reports.graphs import page as page_file
from trichord.reports.graphs.report import GraphStudyReport
from trichord.runs import RunOptions, SelectionConfig, load, run_experiment
from trichord.studies.graphs import run as run_file
from trichord.studies.graphs import run_graph_study
from trichord.studies.graphs.again import train_options
from trichord.studies.graphs.experiments import Planner
from trichord.studies.graphs.rivals import THE_BASE, distillation
from trichord.studies.graphs.search import drawn_graph

QUIET = RunOptions(progress=False)
THROUGH = GateConfig(kind="through")
ADAPTER = NodeConfig(role="peer", left=("text",), right=("video",), adapter=True)


def trained(out: Path) -> dict[Path, int]:
    """Return when every graph in a folder came to its end."""
    return {path: path.stat().st_mtime_ns for path in out.rglob("status.json") if "nodes" not in path.parts}


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out, which take longer than the trainings."""
    for name in ("graph_svg", "plot_contest", "plot_luck", "plot_history", "plot_trial_curves", "plot_gates"):
        monkeypatch.setattr(page_file, name, lambda *_: "<svg></svg>")
    for name in ("write_drawing", "write_history"):
        monkeypatch.setattr(run_file, name, lambda *_, **__: None)


@pytest.mark.slow
def test_a_reported_study_is_made_longer_with_more_trials_seeds_and_graphs(tmp_path: Path) -> None:
    data, out = tiny_dataset(tmp_path), tmp_path / "study"
    small: dict[str, Any] = {"space": small_space(num_nodes=2, kinds={"A-V": AV}), "epochs": 1}
    first = run_graph_study(tiny_study(**small, num_trials=1), data, out, workers=1, options=QUIET)
    before = trained(out)
    longer = tiny_study(**small, num_trials=3, num_best=3, ranking_seeds=2, num_seeds=2)
    second = run_graph_study(longer, data, out, workers=1, options=QUIET)
    assert {path: trained(out)[path] for path in before} == before, "what was trained is kept"
    report = second.report
    assert [trial.value for trial in report.trials[:1]] == [trial.value for trial in first.report.trials]
    assert report.ranked[0].trial != first.report.ranked[0].trial, "another graph won"
    assert {path.name for path in (out / "final").glob("for-trial-*")} == {
        f"for-trial-{one.ranked[0].trial:04d}" for one in (first.report, report)
    }
    assert (first.report.times_reported, report.times_reported) == (1, 2)
    assert "which nothing was chosen by" in first.report.conclusion
    assert "which nothing was chosen by" not in report.conclusion
    assert "was measured for 2 graphs" in second.page.read_text()
    # The best of several graphs by the mean of several seeds, and Holm's rule over the rivals.
    assert len(report.ranked) == 3
    assert [one.mean for one in report.ranked] == sorted((one.mean for one in report.ranked), reverse=True)
    for one in report.ranked:
        graphs = [GraphDirectory(out / "ranking" / f"trial-{one.trial:04d}" / f"seed-{seed}") for seed in (1, 2)]
        assert one.values == tuple(graph.result("val").metrics["MRR"].value for graph in graphs)
        assert one.mean == pytest.approx(np.mean(one.values))
    of_metric = [one for one in report.comparisons if one.metric == "MRR"]
    assert [one.holm for one in of_metric] == pytest.approx(holm([one.comparison.p_value for one in of_metric]))
    best = out / "final" / f"for-trial-{report.ranked[0].trial:04d}" / "best-graph"
    values = [GraphDirectory(best / f"seed-{seed}").result("test").metrics["R@5"].value for seed in (3, 4)]
    assert report.contenders[0].metrics["R@5"].value == pytest.approx(np.mean(values))
    assert report.optimism.noise > 0


@pytest.mark.slow
def test_two_folders_on_one_storage_tell_the_same_luck_and_one_that_was_moved_goes_on(tmp_path: Path) -> None:
    data = tiny_dataset(tmp_path)
    small: dict[str, Any] = {"epochs": 1, "storage": f"sqlite:///{tmp_path / 'shared.db'}"}

    def carried_out(name: str, trials: int) -> GraphStudyReport:
        study = tiny_study(**small, num_trials=trials)
        return run_graph_study(study, data, tmp_path / name, workers=1, options=QUIET).report

    alone = carried_out("first", 2)
    assert alone.optimism.corrected is not None
    other = carried_out("second", 3)
    assert (other.optimism.trials, other.optimism.corrected) == (3, None)
    assert "of 3 finished graphs only 1 was trained in this folder" in other.optimism.sentence
    again = carried_out("first", 3)
    assert again.optimism == replace(other.optimism, sentence=again.optimism.sentence)
    assert [one.values for one in again.ranked] == [one.values for one in other.ranked]
    (tmp_path / "second").rename(tmp_path / "moved")
    before = trained(tmp_path / "moved")
    moved = carried_out("moved", 4)
    assert {path: trained(tmp_path / "moved")[path] for path in before} == before
    assert moved.trials[:3] == other.trials
    assert str(tmp_path / "second") not in (tmp_path / "moved" / "graph.txt").read_text()


class AskedError(Exception):
    """What the command would have trained."""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"epochs": None, "evaluate_every": 5}, ["--set.evaluate-every"]),
        ({"refit": False, "selection": SelectionConfig(metric="R@10")}, ["--set.selection.metric"]),
        (
            {
                "space": small_space(kinds={"T-V-adapter": ADAPTER}),
                "adaptation": Adaptation(
                    low_rank=LowRankConfig(rank=4, rank_stabilized=True, initial="gaussian", targets="unit[.].*")
                ),
            },
            ["--base", "--set.learners.n1.adapters.n1.low-rank.rank-stabilized"],
        ),
    ],
)
def test_the_options_that_train_a_graph_again_make_the_very_experiment(
    base: tuple[Dataset, Path],
    changes: dict[str, Any],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    data, folder = base
    study = tiny_study(**changes, base=folder if "adaptation" in changes else None)
    planner = Planner(study, data, None if study.base is None else load(study.base))
    drawn = {name: choices[0] for name, choices in study.space.parameters().items()}
    graph = drawn_graph(study, drawn, {})
    options = train_options(planner, graph)
    assert set(said) <= set(options)

    def instead(config: GraphExperimentConfig, *_: Any, **__: Any) -> None:
        raise AskedError(config)

    monkeypatch.setattr(graph_train, "run_graph", instead)
    text = spell_graph(graph, tuple(data.modalities), separator="; ")
    words = ["--data", str(data.path), "--target", "T>V", "--graph", text, *options, "--out", str(tmp_path / "out")]
    with pytest.raises(AskedError) as asked:
        graph_train.run(words)
    assert asked.value.args == (planner.config(graph, study.seeds_of_report[0], final=True),)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    folder = tmp_path_factory.mktemp("base")
    data = tiny_dataset(folder)
    config = replaced(heads(data.spec, "AVT", 3), {"stages.0.epochs": 12, "stages.0.keep": "last"})
    run_experiment(config, data, folder / "base", options=QUIET)
    return data, folder / "base"


@pytest.mark.slow
def test_a_study_over_a_base_counts_it_and_lets_it_teach_and_its_command_trains_the_graph_again(
    base: tuple[Dataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, folder = base
    out = tmp_path / "study"
    study = tiny_study(
        space=small_space(kinds={"T-V-adapter": ADAPTER}, num_nodes=2, gates=(THROUGH,), label_gates=(THROUGH,)),
        num_trials=1,
        epochs=2,
        evaluate_every=2,
        base=folder,
        adaptation=Adaptation(low_rank=LowRankConfig(rank=2, alpha=3.0), learning_rate=2e-3),
    )
    outcome = run_graph_study(study, data, out, workers=1, options=QUIET)
    report, contenders = outcome.report, {one.name: one for one in outcome.report.contenders}
    # What two epochs teach is little beside what the base knows: it is the strongest without a graph, so it teaches.
    model = load(folder)
    task = parse_task("T>V", tuple(data.modalities))
    known = evaluate(model.encoder, data, "val", [task])["T>V"].metrics["MRR"].value
    alone = {kind: GraphDirectory(out / "alone" / kind).result("val") for kind in study.space.trained_alone}
    assert known >= max(result.metrics["MRR"].value for result in alone.values())
    assert THE_BASE in contenders["distillation"].sentence
    assert contenders["distillation"].text.splitlines()[1] == "teacher: frozen T-V adapter"
    assert distillation(study, THE_BASE).nodes["teacher"].start == ""
    numbers = {"best graph": 3, "independent": 1, "mutual learning": 3, "distillation": 2, "ensemble": 3}
    assert {name: one.networks for name, one in contenders.items()} == numbers
    assert "its base counted once" in contenders["ensemble"].sentence
    trained = GraphDirectory(out / "final" / "for-trial-0000" / "best-graph" / "seed-2")
    assert contenders["best graph"].seconds > trained.status()["seconds"], "that of the base is in it"
    # The command on the page.
    page = outcome.page.read_text()
    command = shlex.split(html.unescape(re.findall(r"<pre[^>]*command[^>]*><code>(.*?)</code></pre>", page, re.S)[0]))
    assert command[:3] == ["trichord", "graph", "train"]
    assert str(folder) in command
    assert "--set.learners.n1.adapters.n1.low-rank.rank" in command
    monkeypatch.chdir(out)
    main([*command[1:], "--options.no-progress"])
    again = GraphDirectory(out / "runs" / "best-graph")
    assert again.record().config == trained.record().config
    assert again.result("test").metrics == trained.result("test").metrics
    assert report.settings["base"] == str(folder)
    assert report.best.nodes["n0"] == OWN != TV

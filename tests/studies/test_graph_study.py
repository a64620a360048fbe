"""The study of graphs as a whole, on a corpus that trains in a moment: what it writes, takes up and refuses."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_search_cases import AV, OWN, TV, small_space, tiny_dataset, tiny_study

from trichord.cotraining.directory import GraphDirectory
from trichord.data.planted import write_planted
from trichord.errors import ConfigError, RunError
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import GraphConfig
from trichord.graphs.payloads import SimilarityConfig
from trichord.graphs.reading import read_graph
from trichord.graphs.special import special_case
from trichord.randomness import derive_seed
from trichord.reports.graphs.lines import Optimism
from trichord.runs import RunOptions, SelectionConfig
from trichord.studies.graphs import GraphStudyOutcome, run_graph_study
from trichord.studies.graphs import experiments as experiments_file
from trichord.studies.graphs import search as search_file
from trichord.studies.graphs.assemble import best_graphs
from trichord.studies.graphs.conclusion import find_optimism
from trichord.studies.graphs.optimism import expected_maximum
from trichord.studies.graphs.phases import Trained
from trichord.studies.graphs.rivals import BEST, THE_BASE, Entry, find_rivals, found_graph
from trichord.studies.graphs.space import draw
from trichord.studies.graphs.trial import TrialRecord

QUIET = RunOptions(progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GraphStudyOutcome]:
    folder = tmp_path_factory.mktemp("graphs")
    return folder, run_graph_study(tiny_study(), tiny_dataset(folder), folder / "study", workers=1, options=QUIET)


def record(number: int, value: float | None, drawn: dict[str, Any], state: str = "finished") -> TrialRecord:
    return TrialRecord(
        number=number,
        place=number,
        state=state,  # type: ignore[arg-type]
        drawn=drawn,
        value=value,
        curve=(),
        retry_of=None,
        seconds=1.0,
        message="",
        home="",
        beat=0.0,
        graph={},
        withdrawn=False,
    )


def final_folder(out: Path) -> Path:
    """Return where the final comparison lies of a study that was reported once."""
    (folder,) = out.glob("final/for-trial-*")
    return folder


def test_a_study_writes_its_report_its_page_its_drawing_and_its_best_graph(
    finished: tuple[Path, GraphStudyOutcome],
) -> None:
    folder, outcome = finished
    out = folder / "study"
    names = {path.name for path in out.iterdir()}
    assert names >= {"study.json", "report.html", "graph.svg", "graph.png", "graph.txt", "history.svg", "study.journal"}
    report = outcome.report
    assert json.loads((out / "study.json").read_text()) == report.to_dict()
    assert read_graph(out / "graph.txt", tuple(tiny_dataset(folder).modalities)) == report.best
    assert [line.state for line in report.trials] == ["finished"] * 3
    assert [line.sampled for line in report.trials] == [draw(small_space(), 0, place) for place in range(3)]
    assert [one.name for one in report.contenders] == [
        "best graph",
        "independent",
        "mutual learning",
        "distillation",
        "ensemble",
    ]
    assert {one.rival for one in report.comparisons} == {one.name for one in report.contenders[1:]}
    assert report.best_text == report.contenders[0].text


def test_numbers_of_the_report_are_those_of_the_folders(finished: tuple[Path, GraphStudyOutcome]) -> None:
    folder, outcome = finished
    out, report = folder / "study", outcome.report
    for line in report.trials:
        graph = GraphDirectory(out / "trials" / f"{line.number:04d}")
        assert line.value == graph.curve()[-1][1] == pytest.approx(graph.result("val").metrics["MRR"].value)
        assert line.curve == tuple(graph.curve())
    assert report.reference == GraphDirectory(out / "reference").result("val").metrics["MRR"].value
    assert report.optimism.apparent == max(line.value or 0.0 for line in report.trials)
    for one in report.contenders:
        graph = GraphDirectory(final_folder(out) / one.name.replace(" ", "-") / "seed-2")
        assert one.metrics["R@5"].value == pytest.approx(graph.result("test").metrics["R@5"].value)
    for gates in (one.gates for one in report.importance if one.edge == "label -> n0"):
        values = {gate: [t.value for t in report.trials if t.sampled["label n0"] == gate] for gate in gates}
        assert gates == {gate: pytest.approx(np.mean(of_gate)) for gate, of_gate in values.items()}


def test_the_reported_split_is_measured_at_the_end_alone(finished: tuple[Path, GraphStudyOutcome]) -> None:
    out = finished[0] / "study"
    for config in out.rglob("config.json"):
        graph = GraphDirectory(config.parent)
        if "nodes" in config.parts:
            continue
        found, final = graph.record().config, "final" in config.parts
        assert found.report_split == ("test" if final else None), config
        assert found.fit_splits == (("train", "val") if final else ("train",)), config
        seed = {"trials": 0, "alone": 0, "reference": 0, "ranking": 1, "final": 2}[config.relative_to(out).parts[0]]
        assert found.seed == (derive_seed(seed, "frozen nodes") if "alone" in config.parts else seed)
        assert ("test" in {path.name for path in config.parent.rglob("results/*")}) == final


def optimism_of(folder: Path, states: str, num_here: int, **changes: Any) -> Optimism:
    """Return what picking promises too much where only some of the finished trials lie in the folder."""
    study, out = tiny_study(**changes), folder / "study"
    records = [
        record(number, 0.1 + 0.01 * number if state == "finished" else None, {}, state)
        for number, state in enumerate(states.split())
    ]
    here = [GraphDirectory(out / "trials" / f"{number:04d}").result("val") for number in range(num_here)]
    entry = Entry("trial", "", GraphConfig(nodes={"n0": OWN}, labels={"n0": GateConfig(kind="through")}))
    graphs = [GraphDirectory(path.parent) for path in sorted(out.glob("ranking/*/*/*/status.json"))]
    ranking = [
        Trained(entry, (graph,), (graph.result("val"),), 0.0) for graph in graphs if "alone" not in graph.path.parts
    ]
    assert len(ranking) == 4
    return find_optimism(study, records, here, ranking)


def test_optimism_counts_the_trials_of_every_folder_and_is_told_where_it_cannot_be_corrected(
    finished: tuple[Path, GraphStudyOutcome],
) -> None:
    folder, _ = finished
    whole = optimism_of(folder, "finished finished finished", 3)
    assert (whole.trials, whole.apparent) == (3, pytest.approx(0.12))
    assert whole.corrected is not None
    assert whole.noise > 0
    shared = optimism_of(folder, "finished finished failed finished pruned finished", 3, ranking_seeds=2)
    assert (shared.trials, shared.corrected) == (4, None)
    assert shared.noise == whole.noise, "it is of graphs that were trained in this folder, whoever trained the others"
    assert shared.expected == pytest.approx(whole.noise * expected_maximum(4))
    assert "Were all 4 finished graphs equally good" in shared.sentence
    assert "cannot be told: of 4 finished graphs only 3 were trained in this folder." in shared.sentence
    assert "1 graph that was stopped early is not counted, though luck decided about it too." in shared.sentence
    assert "seeds and queries move one value" in shared.sentence
    assert "stopped early" not in whole.sentence
    assert "queries alone move one value" in whole.sentence
    assert "cannot be told from a ranking with one seed" in whole.sentence


def test_a_finished_study_trains_nothing_again(
    finished: tuple[Path, GraphStudyOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outcome = finished
    for file in (experiments_file, search_file):
        monkeypatch.setattr(file, "run_graph", lambda *_, **__: pytest.fail("trained again"))
    again = run_graph_study(tiny_study(), tiny_dataset(folder), folder / "study", workers=1, options=QUIET)
    assert again.report.to_dict() == outcome.report.to_dict()


@pytest.mark.slow
def test_killed_twice_and_started_again_it_ends_with_the_numbers_of_one_that_was_left_alone(
    finished: tuple[Path, GraphStudyOutcome], tmp_path: Path
) -> None:
    shutil.copytree(finished[0] / "data", tmp_path / "data")
    subprocess.run([sys.executable, str(Path(__file__).parent / "killed_graph_study.py"), str(tmp_path)], check=True)
    report, there = (json.loads((folder / "study" / "study.json").read_text()) for folder in (tmp_path, finished[0]))
    ended, whole = ([t for t in r["trials"] if t["state"] == "finished"] for r in (report, there))
    assert len(report["trials"]) > len(ended), "a trial was killed"
    assert [t["retry_of"] for t in ended].count(None) < 3
    ended.sort(key=lambda trial: trial["retry_of"] or trial["number"])
    for name in ("value", "curve", "sampled"):
        assert [trial[name] for trial in ended] == [trial[name] for trial in whole], name
    for name in ("comparisons", "optimism", "reference"):
        assert report[name] == there[name], name
    assert [one["values"] for one in report["ranked"]] == [one["values"] for one in there["ranked"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": small_space(num_nodes=2)}, "another search space .--nodes: 3 there, 2 here.;"),
        ({"space": small_space(kinds={"T-V": TV})}, "another search space .--kinds: T-V A-V there, T-V here.;"),
        ({"task": "V>T"}, "another task .--target: T>V there, V>T here"),
        ({"seed": 5}, "another way of searching .--seed: 0 there, 5 here"),
        ({"epochs": 3}, "another way of training .--epochs: 2 there, 3 here.;"),
    ],
)
def test_another_search_in_the_same_storage_is_refused_by_what_differs(
    finished: tuple[Path, GraphStudyOutcome], changes: dict[str, Any], message: str
) -> None:
    folder, _ = finished
    with pytest.raises(RunError, match=message):
        run_graph_study(tiny_study(**changes), tiny_dataset(folder), folder / "study", workers=1, options=QUIET)


def test_a_folder_that_another_study_works_in_is_refused(finished: tuple[Path, GraphStudyOutcome]) -> None:
    folder, _ = finished
    with GraphDirectory(folder / "study").lock(), pytest.raises(RunError, match="another process is working in"):
        run_graph_study(tiny_study(), tiny_dataset(folder), folder / "study", workers=1, options=QUIET)


def test_other_data_are_refused(finished: tuple[Path, GraphStudyOutcome], tmp_path: Path) -> None:
    from graph_search_cases import TINY

    other = write_planted(tmp_path / "data", replace(TINY, seed=9))
    shutil.copytree(finished[0] / "study", tmp_path / "study")
    with pytest.raises(
        RunError, match=r"another data set .--data: planted with fingerprint .* choose another --out or --name"
    ):
        run_graph_study(tiny_study(), other, tmp_path / "study", workers=1, options=QUIET)


def test_the_best_graphs_are_distinct_whatever_their_peers_are_called() -> None:
    study = tiny_study()
    first, second = draw(study.space, 0, 0), draw(study.space, 0, 1)
    swap = {"n1": "n2", "n2": "n1"}
    renamed = {re.sub("n[12]", lambda found: swap[found[0]], name): value for name, value in first.items()}
    assert renamed != first
    records = [
        record(0, 0.3, first),
        record(1, 0.4, renamed),
        record(2, 0.35, second),
        record(3, None, draw(study.space, 0, 3), "pruned"),
        record(4, 0.4, second),
    ]
    found = best_graphs(study, records)
    assert [(one.record.number, one.value) for one in found] == [(1, 0.4), (4, 0.4)]
    with pytest.raises(RunError, match="no graph of the search was trained to its end"):
        best_graphs(study, records[3:4])


def test_rivals_are_the_special_cases_they_are_called(tmp_path: Path) -> None:
    study = tiny_study()
    drawn = {name: choices[-1] for name, choices in study.space.parameters().items()}
    drawn |= {"label n2": "cutoff", "gate n0>n2": "cutoff", "gate n1>n2": "cutoff"}
    best = found_graph(study, drawn, BEST, "")
    assert (best.networks, best.kinds) == (3, ("A-V",))
    rivals = {one.name: one for one in find_rivals(study, best, drawn, "T-V")}
    assert special_case(rivals["independent"].graph) == "independent training"
    assert special_case(rivals["mutual learning"].graph) == "deep mutual learning"
    assert rivals["mutual learning"].graph.nodes == {"n0": OWN, "n1": AV, "n2": AV}
    assert special_case(rivals["distillation"].graph) == "distillation"
    assert rivals["distillation"].kinds == ("T-V",)
    assert rivals["distillation"].starting({"T-V": "somewhere"}).nodes["teacher"].start == "somewhere"
    ensemble = rivals["ensemble"]
    assert ensemble.networks == 3
    assert ensemble.scored == "mean"
    assert ensemble.graph.edges == ()
    assert [rivals[name].networks for name in ("independent", "mutual learning", "distillation")] == [1, 3, 2]


def test_a_base_is_counted_once_for_all_adapters_over_it() -> None:
    adapter = replace(TV, adapter=True)
    study = tiny_study(space=small_space(kinds={"T-V-adapter": adapter}))
    drawn = {name: choices[0] for name, choices in study.space.parameters().items()}
    best = found_graph(study, drawn, BEST, "")
    assert [node.adapter for node in best.graph.nodes.values()] == [False, True, True]
    assert (best.over_base, best.networks) == (True, 4)
    rivals = {one.name: one for one in find_rivals(study, best, drawn, THE_BASE)}
    assert (rivals["ensemble"].networks, rivals["ensemble"].over_base) == (4, False)
    assert "its base counted once" in rivals["ensemble"].sentence
    assert (rivals["distillation"].networks, rivals["distillation"].kinds) == (2, ())
    assert "frozen: it is the strongest on val" in rivals["distillation"].sentence


def test_where_the_best_graph_is_the_target_alone_its_rivals_are_still_graphs() -> None:
    study = tiny_study(
        space=small_space(payloads={"rows": SimilarityConfig(direction="rows")}, temperatures=(0.2, 0.1))
    )
    drawn = {n: "cutoff" if n.startswith("gate") else c[0] for n, c in study.space.parameters().items()}
    best = found_graph(study, drawn, BEST, "")
    assert special_case(best.graph) == "independent training"
    rivals = {one.name: one for one in find_rivals(study, best, drawn, "T-V")}
    assert special_case(rivals["mutual learning"].graph) == "deep mutual learning"
    assert len(rivals["mutual learning"].graph.nodes) == 3
    assert rivals["ensemble"].networks == 2
    assert "the best graph trains 1 network" in rivals["ensemble"].sentence
    graph: GraphConfig = rivals["distillation"].graph
    assert graph.edges[0].payload == SimilarityConfig(direction="rows", temperature=0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_trials": 0}, "num_trials of at least 1"),
        ({"selection": SelectionConfig(split=None)}, "chosen on validation"),
        ({"report_split": "val"}, "report another one"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_study(**changes)


def test_seeds_are_fresh_in_every_phase() -> None:
    study = tiny_study(seed=7, ranking_seeds=3, num_seeds=2)
    assert study.seeds_of_ranking == (8, 9, 10)
    assert study.seeds_of_report == (11, 12)
    used = [study.seed, *study.seeds_of_ranking, *study.seeds_of_report]
    assert len({*used, *map(study.seed_of_frozen, used)}) == 2 * len(used), "nor are frozen nodes trained with any"

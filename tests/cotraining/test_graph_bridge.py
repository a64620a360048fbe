"""Knowledge through audio: text and video hardly meet in training, and a graph of pairs teaches what they share."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from trichord.cli.main import main
from trichord.cotraining.run import run_graph
from trichord.data import Dataset
from trichord.data.planted import write_planted
from trichord.data.planted_corpora import BRIDGED
from trichord.evaluation.compare import compare_results
from trichord.evaluation.result import RetrievalResult
from trichord.graphs.text import parse_graph
from trichord.recipes.graphs import graph_experiment
from trichord.runs import RunOptions

ALONE = "tv: target T-V; label -> tv: through"
PEERS = "ta: peer T-A; av: peer A-V; label -> ta: through; label -> av: through"
LABEL_FREE = f"tv: target T-V; {PEERS}; ta -> tv: similarity through; av -> tv: similarity through"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("bridge") / "data"
    items = {"train": 1200, "val": 50, "test": 400}
    return write_planted(path, replace(BRIDGED, num_items=items))


def score(dataset: Dataset, text: str, out: Path) -> RetrievalResult:
    graph = parse_graph(text, dataset.modalities)
    config = graph_experiment(dataset, graph, "T>V", recipe="planted", epochs=8, evaluate_every=8, report_split="test")
    return run_graph(config, dataset, out, options=RunOptions(progress=False)).result("test")


def test_pairs_that_meet_teach_the_pair_that_does_not(dataset: Dataset, tmp_path: Path) -> None:
    alone = score(dataset, ALONE, tmp_path / "alone")
    taught = score(dataset, LABEL_FREE, tmp_path / "taught")
    found = compare_results([taught], [alone], "R@10")
    assert found.low > 5, found
    assert found.p_value < 0.001


@pytest.mark.slow
def test_a_search_finds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["generate", "planted", "--planting", "bridged", "--out", str(tmp_path / "data")])
    out = ["--out", str(tmp_path / "study"), "--recipe", "planted", "--json", "--workers", "2", "--options.no-progress"]
    few = ["--trials", "8", "--epochs", "10", "--best", "2", "--ranking-seeds", "2", "--seeds", "3"]
    capsys.readouterr()
    main(["graph", "search", "--data", str(tmp_path / "data"), "--target", "T>V", "--kinds", "T-A", "A-V", *few, *out])
    report = json.loads(capsys.readouterr().out)
    [against] = [c for c in report["comparisons"] if (c["rival"], c["metric"]) == ("independent", "MRR")]
    assert against["verdict"] == "better"
    assert against["comparison"]["low"] > 0

"""`trichord graph show`: the graph in words, as JSON, as a drawing, and mistakes that are one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trichord.cli.main import main
from trichord.config import from_dict
from trichord.data.planted import PlantedConfig, write_planted
from trichord.graphs.text import parse_graph
from trichord.modality import STANDARD

GRAPH = """
tv: target T-V
old: frozen T-V from runs/vt
lonely: peer V-A model=linear
label -> tv: through; label -> lonely: correct
old -> tv: similarity through temperature=0.05
tv -> lonely: gram correct@3 push weight=2
"""
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "data"
    write_planted(path, PlantedConfig(num_items={"train": 8, "val": 4, "test": 4}))
    return path


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str], data: Path) -> Type:
    """Show a graph; return exit status, standard output and standard error."""

    def shown(*words: object) -> tuple[int, str, str]:
        status = 0
        try:
            main(["graph", "show", *(str(word) for word in words), "--data", str(data)])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return shown


def test_a_graph_in_words(show: Type, tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text(GRAPH)
    status, out, err = show(tmp_path / "graph.txt", "--out", tmp_path / "graph.svg")
    assert (status, err) == (0, "")
    words = " ".join(out.split())
    for said in (
        "3 networks, 2 of them learning, target tv: distillation",
        "old frozen T-V – the recipe's own, from runs/vt",
        "lonely peer V-A always linear",
        "old tv similarity, temperature 0.05 always pull together",
        "tv lonely gram, temperature 0.1 where the source is right push apart, weight 2 among its first 3",
        "For tv, 1 network is trained.",
        "lonely changes nothing about tv.",
        f"drawing: {tmp_path / 'graph.svg'}",
    ):
        assert said in words, out
    assert (tmp_path / "graph.svg").read_text().startswith("<svg")


def test_a_graph_as_json(show: Type, tmp_path: Path) -> None:
    status, out, _ = show(GRAPH, "--json", "--out", tmp_path / "graph.png")
    assert status == 0
    found = json.loads(out)
    assert from_dict(found["graph"]) == parse_graph(GRAPH, STANDARD) == parse_graph(found["text"], STANDARD)
    assert (found["version"], found["target"], found["special_case"]) == (1, "tv", "distillation")
    assert found["trained"] == ["tv"]
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.txt"], "nothing.txt is no file that exists"),
        (["tv: target T-V; label -> tv: thru"], "there is no gate 'thru'; did you mean 'through'?"),
        (["tv: target T-I; label -> tv: through"], "(I); known: V = video, A = audio, T = text"),
        (["tv: target T-V"], "open one, for instance label -> tv: through"),
        (["a: target V>kind; label -> a: through"], "'kind' apart, which is no label column; the data set has none"),
        ([""], "the graph is empty; name a file, or write one out"),
        ([GRAPH, "--out", "nowhere/graph.svg"], "nowhere/graph.svg: there is no folder nowhere; make it"),
        ([GRAPH, "--out", "graph.pdf"], "a drawing is a .svg or a .png file, got graph.pdf"),
    ],
)
def test_a_mistake_is_one_line(show: Type, words: list[str], said: str) -> None:
    status, out, err = show(*words)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1

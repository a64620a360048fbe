"""What becomes of the nodes of a trained graph: their folders, their results, and what starts from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from graph_run_cases import (
    MUTUAL,
    QUIET,
    StoppedError,
    alone,
    assert_same_graph,
    classed,
    complete,
    dying_at,
    experiment,
    hashes,
    train,
    train_alone,
    unpaired,
)
from safetensors.torch import load_file

from trichord.cli.main import main
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.networks import find_identity, load_network
from trichord.cotraining.recorder import GraphRecorder
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError, ProtocolError, RunError
from trichord.evaluation import embed_split
from trichord.evaluation.classes import logit_side, rank_classes
from trichord.evaluation.embed import EmbeddingTable
from trichord.files import read_json
from trichord.runs import RunDirectory, SelectionConfig, load
from trichord.training.checkpoint import save_tensors
from trichord.training.loop import Position


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return complete(folder)


@pytest.fixture(scope="module")
def pictures(folder: Path) -> Dataset:
    return classed(folder)


TEAM = f"""
    {MUTUAL}
    wide: peer T-V model=linear
    both: ensemble tv wide
    label -> wide: through
    both -> av: rows through
"""


@pytest.fixture(scope="module")
def team(folder: Path, dataset: Dataset) -> GraphDirectory:
    return train(experiment(dataset, TEAM, scored="both"), dataset, folder / "team")


def test_a_node_that_compares_sides_is_a_run_folder(
    dataset: Dataset, team: GraphDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, task, order in (("tv", "T>V", "VT"), ("av", "A>V", "VA")):
        path = team.node_folder(name)
        model = load(path)
        assert model.identity == hashes(team)[name] == find_identity(path)
        assert RunDirectory(path).record().config.order == order
        main(["evaluate", str(path), "--data", str(dataset.path), "--split", "test", "--json"])
        said = json.loads(capsys.readouterr().out)
        mine = team.result("test", name)
        assert said[task]["metrics"]["MRR"]["value"] == pytest.approx(mine.metrics["MRR"].value)
        assert mine.task == task


def vectors(directory: GraphDirectory, name: str, dataset: Dataset, modality: str, split: str) -> np.ndarray:
    model = load(directory.node_folder(name))
    items = dataset.split(split)
    table = embed_split(model.encoder, dataset, items, modalities=[modality])[modality]
    firsts = [int(np.flatnonzero(table.items == item)[0]) for item in items]  # the first caption of each
    return table.vectors[firsts].astype(np.float64)


def recalls(table: np.ndarray, top: int) -> float:
    """Percent of rows whose own column is among the first `top`, ties counted against it."""
    own = table.diagonal()[:, None]
    return float(100 * ((table >= own).sum(1) <= top).mean())


def test_an_ensemble_is_the_mean_of_its_members_tables(dataset: Dataset, team: GraphDirectory) -> None:
    for split in ("val", "test"):
        tables = [
            vectors(team, name, dataset, "text", split) @ vectors(team, name, dataset, "video", split).T
            for name in ("tv", "wide")
        ]
        for name, table in {"both": sum(tables) / 2, "tv": tables[0], "wide": tables[1]}.items():
            result = team.result(split, name)
            assert result.task == "T>V"
            for top in (1, 5, 10):
                assert result.metrics[f"R@{top}"].value == pytest.approx(recalls(table, top)), (name, split)
    assert team.result("test").scores.reciprocal_rank.tolist() == (
        team.result("test", "both").scores.reciprocal_rank.tolist()
    )
    assert team.curve() == team.curve("both")
    assert len(team.curve()) == 3
    assert [epoch for epoch, _ in team.curve("tv")] == [3]
    value = team.result("val").metrics["MRR"].value
    assert team.curve()[-1][1] == pytest.approx(value) == team.status()["value"]


CLASSES = """
    one: target I+S>word
    two: peer I+S>word model=linear
    both: ensemble one two
    seen: peer I>word
    label -> one: through
    label -> two: through
    label -> seen: through
    seen -> one: logits correct
"""


@pytest.fixture(scope="module")
def classifiers(folder: Path, pictures: Dataset) -> GraphDirectory:
    return train(experiment(pictures, CLASSES, "IS>word", scored="both"), pictures, folder / "classifiers")


def test_accuracy_is_counted_by_hand(pictures: Dataset, classifiers: GraphDirectory) -> None:
    names = sorted(set(pictures.label("word")))
    items = pictures.split("test")
    truth = np.array([names.index(pictures.label("word")[item]) for item in items])
    sums = {}
    for node in ("one", "two", "seen"):
        network = load_network(classifiers.node_folder(node), hashes(classifiers)[node])
        modalities = ["image"] if node == "seen" else ["image", "sound"]
        tables = embed_split(network.model, pictures, items, modalities=modalities)
        total, held = np.zeros((len(items), len(names))), np.zeros(len(items), bool)
        for table in tables.values():
            for vector, item in zip(table.vectors, table.items, strict=True):
                total[list(items).index(item)] += vector
                held[list(items).index(item)] = True
        sums[node] = total
        right = held & (total.argmax(1) == truth)
        result = classifiers.result("test", node)
        assert result.metrics["R@1"].value == pytest.approx(100 * right.mean()), node
        assert result.num_missing == (0 if node != "seen" else 1)
        assert result.task == ("I>word" if node == "seen" else "IS>word")
    right = (sums["one"] + sums["two"]).argmax(1) == truth
    assert classifiers.result("test").metrics["R@1"].value == pytest.approx(100 * right.mean())
    assert classifiers.result("test").num_queries == len(items)
    assert classifiers.result("test").chance["R@1"] == pytest.approx(100 / 3)


def test_ranks_of_classes_by_hand() -> None:
    """Item 0: right; 1: second; 2: a tie for the first place, by halves; 3: no logits, a miss."""
    table = EmbeddingTable(np.array([[3, 1, 2], [5, 4, 1], [2, 2, 0]], np.float32), np.array([7, 8, 9]))
    side = logit_side({"image": table}, ("image",), np.array([7, 8, 9, 4]))
    ranked = rank_classes(side, np.array([0, 1, 1, 2]))
    assert ranked.scores.rank.tolist() == [1, 2, 1.5, 3]
    assert ranked.scores.recall[1].tolist() == [1, 0, 0.5, 0]
    assert ranked.num_missing == 1
    assert ranked.scores.reciprocal_rank.tolist() == pytest.approx([1, 1 / 2, 3 / 4, 0])
    nobody = logit_side({"image": table}, ("image",), np.array([5]))
    with pytest.raises(ProtocolError, match="nothing can be classified"):
        rank_classes(nobody, np.array([0]))


def test_a_node_can_start_from_a_node(folder: Path, dataset: Dataset, team: GraphDirectory) -> None:
    tv = team.node_folder("tv")
    text = f"new: target T-V from {tv}; old: frozen T-V from {tv}; label -> new: through; old -> new: rows through"
    config = experiment(dataset, text)
    assert config.starts == {"new": hashes(team)["tv"], "old": hashes(team)["tv"]}
    directory = train(config, dataset, folder / "from a node")
    assert directory.result("test", "old").metrics == team.result("test", "tv").metrics
    assert hashes(directory)["new"] != hashes(team)["tv"]
    fresh = train(experiment(dataset, "new: target T-V; label -> new: through"), dataset, folder / "fresh")
    first, begun = directory.metrics()[0], fresh.metrics()[0]
    own = "contrast/video-text"
    assert first["nodes"]["new"]["terms"][own] < begun["nodes"]["new"]["terms"][own] - 0.1, "it goes on from there"


def test_a_node_can_start_from_an_ordinary_run(folder: Path, dataset: Dataset) -> None:
    run = train_alone(alone(dataset, "AVT"), dataset, folder / "run")
    text = f"tv: target T-V; old: frozen A-V from {run.path}; label -> tv: through; old -> tv: similarity through"
    directory = train(experiment(dataset, text), dataset, folder / "from a run")
    assert directory.status()["frozen"] == {"old": run.status()["model"]}
    result = read_json(run.results_folder("test") / "A_to_V.json")
    found = directory.result("test", "old").metrics["MRR"].value
    assert found == pytest.approx(result["metrics"]["MRR"]["value"])


def test_weights_to_start_from_may_be_moved(
    folder: Path, dataset: Dataset, team: GraphDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the same ones wherever they lie: a folder that was begun before goes on, and a finished one is found."""
    here, there = folder / "here" / "tv", folder / "there" / "tv"
    copytree(team.node_folder("tv"), here)
    text = "new: target T-V from {0}; old: frozen T-V from {0}; label -> new: through; old -> new: rows through"
    config = experiment(dataset, text.format(here))
    whole = train(config, dataset, folder / "not moved")
    options = replace(QUIET, checkpoint_steps=1)
    with monkeypatch.context() as patched:
        patched.setattr(GraphRecorder, "at_boundary", dying_at(Position(0, 1, 1)))
        with pytest.raises(StoppedError):
            train(config, dataset, folder / "begun before", options=options)
    here.parent.rename(there.parent)
    moved = experiment(dataset, text.format(there))
    assert moved != config
    assert_same_graph(train(moved, dataset, folder / "begun before", options=options), whole)
    before = whole.metrics_file.stat().st_mtime_ns
    assert train(moved, dataset, whole.path).metrics_file.stat().st_mtime_ns == before, "nothing was trained again"
    with pytest.raises(RunError, match=r"holds another experiment \(starts\.old: .* there, '0' here\)"):
        train(replace(moved, starts={**moved.starts, "old": "0"}), dataset, whole.path)
    anew = experiment(dataset, text.format(there).replace(f"new: target T-V from {there}", "new: target T-V"))
    with pytest.raises(
        RunError, match=r"holds another experiment \(graph\.nodes\.new\.start: .* there, '' here; starts"
    ):
        train(anew, dataset, whole.path)


def frozen(start: Path, sides: str = "T-V") -> str:
    return f"tv: target T-V; old: frozen {sides} from {start}; label -> tv: through; old -> tv: similarity through"


def test_starts_that_do_not_serve_are_refused(folder: Path, dataset: Dataset, team: GraphDirectory) -> None:
    out = folder / "refused"
    with pytest.raises(RunError, match=r"nothing.*is not a run folder"):
        experiment(dataset, frozen(folder / "nothing"))
    with pytest.raises(RunError, match=r"team is a graph: name one of its nodes, nodes/NAME"):
        experiment(dataset, frozen(team.path))
    with pytest.raises(ConfigError, match=r"'old': .*av has no encoder for \['text'\], only for \['video', 'audio'\]"):
        train(experiment(dataset, frozen(team.node_folder("av"))), dataset, out)
    learning = f"tv: target T-V from {team.node_folder('av')}; label -> tv: through"
    with pytest.raises(RunError, match="'tv' starts from a model without an encoder for 'text'"):
        train(experiment(dataset, learning), dataset, folder / "refused too")
    linear = f"tv: target T-V from {team.node_folder('wide')}; label -> tv: through"
    with pytest.raises(RunError, match=r"'tv': the video encoder it starts from does not fit .*name the model it was"):
        train(experiment(dataset, linear), dataset, folder / "refused as well")
    config = experiment(dataset, "tv: target T-V; label -> tv: through")
    with pytest.raises(ConfigError, match=r"'tv' learns in 2 stages; a node learns in one: train order AV_T by itself"):
        replace(config, learners={"tv": alone(dataset, "AV_T")})


def test_weights_that_are_other_ones_are_refused(folder: Path, dataset: Dataset, team: GraphDirectory) -> None:
    moved = folder / "moved"
    copytree(team.node_folder("tv"), moved)
    config = experiment(dataset, frozen(moved))
    with pytest.raises(RunError, match=r"moved holds the weights [0-9a-f]+, the experiment starts from 0000"):
        train(replace(config, starts={"old": "0000"}), dataset, folder / "other hash")
    state = load_file(moved / "model.safetensors")
    next(iter(state.values())).view(-1)[0] += 1
    save_tensors(moved / "model.safetensors", state, {"hash": hashes(team)["tv"]})
    with pytest.raises(RunError, match="moved"):
        train(config, dataset, folder / "other weights")


def test_classifiers_that_do_not_serve_are_refused(
    folder: Path, pictures: Dataset, classifiers: GraphDirectory, dataset: Dataset, team: GraphDirectory
) -> None:
    teach = "me: target I>word; old: frozen I>word from {}; label -> me: through; old -> me: logits through"
    seen = classifiers.node_folder("seen")
    directory = train(experiment(pictures, teach.format(seen), "I>word"), pictures, folder / "taught")
    assert directory.result("test", "old").metrics == classifiers.result("test", "seen").metrics
    others = classed(folder, "others", ("one", "two", "four"))
    with pytest.raises(ConfigError, match=r"'old': .*seen tells the classes one, three, two apart.* four"):
        train(experiment(others, teach.format(seen), "I>word"), others, folder / "other classes")
    start = f"me: target I>word from {seen}; label -> me: through"
    with pytest.raises(ConfigError, match=r"'me': .*seen tells the classes one, three, two apart"):
        train(experiment(others, start, "I>word"), others, folder / "other classes too")
    with pytest.raises(ConfigError, match=r"'old': .*tv has no encoder for \['image'\]"):
        train(experiment(pictures, teach.format(team.node_folder("tv")), "I>word"), pictures, folder / "no classifier")
    damaged = folder / "damaged"
    copytree(seen, damaged)
    config = experiment(pictures, teach.format(damaged), "I>word")
    state = load_file(damaged / "model.safetensors")
    next(iter(state.values())).view(-1)[0] += 1
    save_tensors(damaged / "model.safetensors", state, {"hash": find_identity(seen)})
    with pytest.raises(RunError, match=r"damaged/model\.safetensors: the weights are not those that were saved"):
        train(config, pictures, folder / "damaged start")
    with pytest.raises(DataError, match=r"node 'me' tells .* apart, the label 'word' holds"):
        train(experiment(pictures, start, "I>word"), others, folder / "planned for other data")


def test_nodes_that_cannot_be_measured_somewhere_say_so(folder: Path) -> None:
    """Items to learn from hold audio and text, or audio and video: measured there, the target has none to ask about."""
    data = unpaired(folder)
    text = "av: target A-V; tv: peer T-V; label -> av: through; av -> tv: rows through"
    swapped = {"fit_splits": ("val",), "selection": SelectionConfig(split="test"), "report_split": "train"}
    directory = train(experiment(data, text, "A>V", **swapped), data, folder / "swapped")
    said = "tv on train: not measured, as no item there holds both sides of its task"
    assert said in directory.status()["flags"]
    assert len(directory.curve("tv")) == 1
    assert directory.result("train").num_missing == 35
    other = "tv: target T-V; av: peer A-V; label -> av: through; av -> tv: rows through"
    with pytest.raises(DataError, match="no item of split 'train' holds both sides of T>V"):
        train(experiment(data, other, **swapped), data, folder / "never measured")


def test_a_graph_that_learns_from_its_validation_split_as_well(folder: Path, dataset: Dataset) -> None:
    changes = {"fit_splits": ("train", "val"), "selection": SelectionConfig(split=None)}
    directory = train(experiment(dataset, MUTUAL, **changes), dataset, folder / "refitted")
    assert directory.curve() == []
    assert directory.status()["value"] is None
    assert directory.result("test").num_queries == 30
    alone_config = RunDirectory(directory.node_folder("av")).record().config
    assert (alone_config.fit_splits, alone_config.selection.split) == (("train", "val"), None)
    assert (alone_config.stages[0].epochs, alone_config.stages[0].keep) == (3, "last")


def test_experiments_that_contradict_themselves(dataset: Dataset) -> None:
    config = experiment(dataset, MUTUAL)
    wrong = {
        "would both choose graphs and be reported": {"report_split": "val"},
        "would be learnt from and measured on": {"fit_splits": ("test",)},
        "the task of a graph decides about it": {"selection": SelectionConfig(tasks=("T>A",))},
        "at least 1": {"epochs": 0},
        "which does not answer T>A": {"task": "T>A"},
        "'nobody' cannot be scored": {"scored": "nobody"},
        "'av' answers A>V, not T>V": {"scored": "av"},
        "leaves out": {"modalities": ("video", "text")},
        "are described": {"learners": {"tv": config.learners["tv"]}},
    }
    for said, changes in wrong.items():
        with pytest.raises(ConfigError, match=said):
            replace(config, **changes)
    assert replace(config, task="V>T").task_of("tv") == "V>T"


def test_data_that_do_not_serve(folder: Path, dataset: Dataset, pictures: Dataset) -> None:
    config = experiment(dataset, MUTUAL)
    with pytest.raises(DataError, match=r"no split named \['extra'\]"):
        train(replace(config, report_split="extra"), dataset, folder / "no split")
    with pytest.raises(DataError, match=r"reads the modalities \['video', 'audio', 'text'\]; the data hold"):
        train(config, pictures, folder / "other data")
    assert not (folder / "other data").exists()
    with pytest.raises(DataError, match="there is no label 'digit'"):
        experiment(pictures, "me: target I>digit; label -> me: through", "I>digit")


def test_a_failure_is_recorded(folder: Path, dataset: Dataset) -> None:
    def fail(epoch: int, value: float) -> bool:
        raise StoppedError("no reason")

    with pytest.raises(StoppedError):
        train(experiment(dataset, MUTUAL), dataset, folder / "failing", watch=fail)
    status = GraphDirectory(folder / "failing").status()
    assert (status["state"], status["error"]) == ("failed", "no reason")
    assert GraphDirectory(folder / "new").status() == {"state": "new"}
    assert torch.is_grad_enabled()

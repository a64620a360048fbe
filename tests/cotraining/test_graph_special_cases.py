"""Graphs that are something known: independent training, mutual learning, distillation, label-free learning."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_run_cases import (
    BATCH,
    EPOCHS,
    MUTUAL,
    QUIET,
    WORDS,
    alone,
    assert_same_graph,
    classed,
    complete,
    experiment,
    hashes,
    train,
    train_alone,
    unpaired,
    weights,
)
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from trichord.batch import Features
from trichord.cotraining import build, loop
from trichord.cotraining.build import Cast
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig
from trichord.cotraining.loop import graph_losses, speak
from trichord.cotraining.nodes import Node
from trichord.data import Dataset
from trichord.errors import TrainingError
from trichord.graphs.output import NodeOutput
from trichord.runs import ExperimentConfig, load
from trichord.training.source import BatchSource


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return complete(folder)


@pytest.fixture(scope="module")
def pictures(folder: Path) -> Dataset:
    return classed(folder)


ONE = "tv: target T-V\nlabel -> tv: through"
THREE = ONE + "\nav: peer A-V\nta: peer T-A\nlabel -> av: through\nlabel -> ta: linear\ntv -> ta: rows correct@5"


def test_a_target_that_nobody_teaches_is_an_ordinary_run(folder: Path, dataset: Dataset) -> None:
    run = train_alone(alone(dataset, "VT", seed=3), dataset, folder / "run")
    for name, text in {"one": ONE, "beside peers": THREE}.items():
        directory = train(experiment(dataset, text, seed=3), dataset, folder / name)
        assert hashes(directory)["tv"] == run.status()["model"], name
    other = train(experiment(dataset, ONE, seed=4), dataset, folder / "other seed")
    assert hashes(other)["tv"] != run.status()["model"]
    three = hashes(train(experiment(dataset, THREE, seed=3), dataset, folder / "again"))
    assert three == hashes(train(experiment(dataset, THREE, seed=3), dataset, folder / "beside peers"))
    twins = hashes(
        train(experiment(dataset, ONE + "; twin: peer T-V; label -> twin: through"), dataset, folder / "twins")
    )
    assert twins["tv"] != twins["twin"], "nodes of one kind begin from other weights"


def test_a_target_of_all_modalities_is_a_joint_run(folder: Path, dataset: Dataset) -> None:
    run = train_alone(alone(dataset, "AVT"), dataset, folder / "joint run")
    directory = train(experiment(dataset, "all: target T-V of AVT; label -> all: through"), dataset, folder / "joint")
    assert hashes(directory)["all"] == run.status()["model"]


def test_a_further_peer_changes_no_other_node(folder: Path, dataset: Dataset) -> None:
    few = hashes(train(experiment(dataset, MUTUAL), dataset, folder / "few"))
    more = MUTUAL + "\nnew: peer T-A; label -> new: through; tv -> new: gram through; av -> new: embedding correct"
    many = hashes(train(experiment(dataset, more), dataset, folder / "many"))
    assert {name: many[name] for name in few} == few


def test_nodes_that_no_edge_hears_need_no_table(
    folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a frozen one asked, or an ensemble averaged; the numbers are those of a graph in which all are."""
    start = train(experiment(dataset, ONE), dataset, folder / "source").node_folder("tv")
    unheard = f"alone: peer T-V; old: frozen T-V from {start}; both: ensemble tv alone; label -> alone: through"
    config = experiment(dataset, f"{MUTUAL}\n{unheard}", scored="both")
    said: list[dict[str, NodeOutput]] = []

    def listen(*given: Any) -> dict[str, NodeOutput]:
        said.append(speak(*given))
        return said[-1]

    monkeypatch.setattr(loop, "speak", listen)
    spared = train(config, dataset, folder / "spared")
    sizes = {name: output.table.values.numel() for name, output in said[0].items()}
    assert sizes == {"tv": BATCH**2, "av": BATCH**2, "alone": 0}
    for module in (loop, build):
        monkeypatch.setattr(module, "heard_nodes", lambda graph: frozenset(graph.nodes))
    all_heard = train(config, dataset, folder / "all heard")
    assert set(said[-1]) == set(config.graph.nodes)
    assert_same_graph(spared, all_heard)


# Hand-written loops: plain torch over copies of the networks as they begin, with losses written out.

Nets = dict[str, nn.Module]
Losses = Callable[[Nets, dict[str, dict[str, torch.Tensor]]], dict[str, torch.Tensor]]


def beginnings(monkeypatch: pytest.MonkeyPatch) -> tuple[Nets, list[dict[str, dict[str, torch.Tensor]]]]:
    """Return where copies of all nodes and every batch are put when a graph is trained."""
    nets: Nets = {}
    batches: list[dict[str, dict[str, torch.Tensor]]] = []

    def listen(cast: Cast, config: GraphExperimentConfig, batch: object, position: object) -> object:
        if not nets:
            # A node's modules, without the lock that its record of adapters holds.
            nets.update({n: copy.deepcopy(node, {id(node.network): None}) for n, node in cast.nodes.items()})
        features = batch.features  # type: ignore[attr-defined]
        batches.append({"items": batch.items} | {m: vars(f) for m, f in features.items()})  # type: ignore[attr-defined]
        return speak(cast, config, batch, position)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "speak", listen)
    return nets, batches


def plain_adam(net: nn.Module, rate: float, decay: float) -> torch.optim.AdamW:
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)


def follow(nets: Nets, batches: list, losses: Losses, rate: float, decay: float, learning: list[str]) -> None:
    """Train copies by hand over the same batches, with the schedule of half a cosine."""
    optimizers = {name: plain_adam(nets[name], rate, decay) for name in learning}
    for step, batch in enumerate(batches):
        for name, loss in losses(nets, batch).items():
            optimizers[name].zero_grad()
            loss.backward()
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / len(batches)))
            optimizer.step()


def divergence(theirs: torch.Tensor, ours: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Mean over rows of KL(softmax(theirs / T) || softmax(ours / T)), T^2 as published."""
    p, q = functional.softmax(theirs.detach() / temperature, 1), functional.log_softmax(ours / temperature, 1)
    return temperature**2 * functional.kl_div(q, p, reduction="none").sum(1).mean()


def plain(config: GraphExperimentConfig) -> GraphExperimentConfig:
    """Return an experiment without dropout, which a hand-written loop cannot draw alike."""
    learners = {}
    for name, learner in config.learners.items():
        still = {
            modality: replace(encoder, **{k: 0.0 for k in ("dropout", "hidden_dropout") if hasattr(encoder, k)})
            for modality, encoder in learner.model.encoders.items()
        }
        learners[name] = replace(learner, model=replace(learner.model, encoders=still))
    return replace(config, learners=learners)


def logits_of(node: nn.Module, batch: dict) -> torch.Tensor:
    """Return a classifier's logits of images; in the data to learn from every item has one."""
    [encoder] = node.model.encoders.values()  # type: ignore[union-attr, operator]
    found: torch.Tensor = encoder(Features(**batch["image"])).embedding
    return found


CLASSES = """
    one: target I>word model=linear
    two: peer I>word model=convolution
    label -> one: through
    label -> two: through
    one -> two: logits through
    two -> one: logits through
"""


def test_all_through_is_deep_mutual_learning_of_classifiers(
    folder: Path, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plain(experiment(pictures, CLASSES, "I>word"))
    nets, batches = beginnings(monkeypatch)
    directory = train(config, pictures, folder / "mutual classes")
    truth = torch.tensor([WORDS.index(word) for word in pictures.label("word")])
    # The names of classes are in the order of their characters.
    place = torch.tensor([sorted(WORDS).index(word) for word in WORDS])

    def losses(nets: Nets, batch: dict) -> dict[str, torch.Tensor]:
        said = {name: logits_of(net, batch) for name, net in nets.items()}
        right = place[truth[batch["items"]]]
        return {
            me: functional.cross_entropy(said[me], right) + divergence(said[other], said[me])
            for me, other in (("one", "two"), ("two", "one"))
        }

    learner = config.learners["one"]
    assert isinstance(learner, ClassifierConfig)
    for net in nets.values():
        net.train()
    follow(nets, batches, losses, learner.optimizer.learning_rate, learner.optimizer.weight_decay, ["one", "two"])
    assert len(batches) == EPOCHS * math.ceil(60 / BATCH)
    for name, net in nets.items():
        ours = weights(directory, name)
        theirs = net.model.state_dict()  # type: ignore[union-attr, operator]
        assert set(ours) == set(theirs)
        for key, tensor in ours.items():
            torch.testing.assert_close(tensor, theirs[key], rtol=1e-3, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")


def vectors_of(node: nn.Module, batch: dict, modality: str) -> torch.Tensor:
    encoder = node.model.encoders[modality]  # type: ignore[union-attr, index]
    return functional.normalize(encoder(Features(**batch[modality])).embedding, dim=1)


def contrast(table: torch.Tensor, node: nn.Module, smoothing: float) -> torch.Tensor:
    """Symmetric InfoNCE with the node's own scale."""
    [log_scale] = node.objective.parameters()  # type: ignore[union-attr, operator]
    logits, truth = table * log_scale.exp(), torch.arange(len(table))
    there = functional.cross_entropy(logits, truth, label_smoothing=smoothing)
    return (there + functional.cross_entropy(logits.T, truth, label_smoothing=smoothing)) / 2


SIDES = {"tv": ("text", "video"), "av": ("audio", "video")}
TEMPERATURE = 0.2


def test_all_through_is_deep_mutual_learning_of_nodes_that_compare_sides(
    folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plain(
        experiment(dataset, MUTUAL.replace("similarity through", f"similarity through temperature={TEMPERATURE}"))
    )
    nets, batches = beginnings(monkeypatch)
    directory = train(config, dataset, folder / "mutual sides")
    learner = config.learners["tv"]
    assert isinstance(learner, ExperimentConfig)
    stage = learner.stages[0]
    smoothing = stage.objective.parts["contrast"].objective.label_smoothing  # type: ignore[union-attr, attr-defined]

    def losses(nets: Nets, batch: dict) -> dict[str, torch.Tensor]:
        tables = {
            name: vectors_of(net, batch, SIDES[name][0]) @ vectors_of(net, batch, SIDES[name][1]).T
            for name, net in nets.items()
        }
        found = {}
        for me, other in (("tv", "av"), ("av", "tv")):
            theirs, ours = tables[other] / TEMPERATURE, tables[me] / TEMPERATURE
            both = (divergence(theirs, ours) + divergence(theirs.T, ours.T)) / 2
            found[me] = contrast(tables[me], nets[me], smoothing) + both
        return found

    for net in nets.values():
        net.train()
    follow(nets, batches, losses, stage.optimizer.learning_rate, stage.optimizer.weight_decay, ["tv", "av"])
    steps = [line for line in directory.metrics() if line["kind"] == "step"]
    assert set(steps[0]["nodes"]["tv"]["terms"]) >= {"from av"}
    for name, net in nets.items():
        ours = weights(directory, name)
        for key, tensor in net.model.state_dict().items():  # type: ignore[union-attr, operator]
            torch.testing.assert_close(ours[key], tensor, rtol=2e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


@pytest.fixture(scope="module")
def teacher(folder: Path, pictures: Dataset) -> Path:
    """A trained convolutional classifier, whose batch statistics would move in training mode."""
    text = "big: target I>word model=convolution; label -> big: through"
    return train(experiment(pictures, text, "I>word"), pictures, folder / "teacher").node_folder("big")


def distilling(teacher: Path, gate: str = "through") -> str:
    return f"""
        small: target I>word model=linear
        old: frozen I>word from {teacher}
        label -> small: through
        old -> small: logits {gate} temperature=2
    """


def test_a_frozen_teacher_is_distillation(
    folder: Path, pictures: Dataset, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plain(experiment(pictures, distilling(teacher), "I>word"))
    nets, batches = beginnings(monkeypatch)
    directory = train(config, pictures, folder / "distilled")
    truth = torch.tensor([sorted(WORDS).index(word) for word in pictures.label("word")])

    def losses(nets: Nets, batch: dict) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            theirs = logits_of(nets["old"], batch)
        ours = logits_of(nets["small"], batch)
        return {"small": functional.cross_entropy(ours, truth[batch["items"]]) + divergence(theirs, ours, 2.0)}

    nets["small"].train()
    nets["old"].eval()
    learner = config.learners["small"]
    assert isinstance(learner, ClassifierConfig)
    follow(nets, batches, losses, learner.optimizer.learning_rate, learner.optimizer.weight_decay, ["small"])
    for key, tensor in weights(directory, "small").items():
        theirs = nets["small"].model.state_dict()[key]  # type: ignore[union-attr, operator]
        torch.testing.assert_close(tensor, theirs, rtol=1e-3, atol=1e-5)
    assert set(directory.status()["frozen"]) == {"old"}
    assert not directory.node_folder("old").joinpath("model.safetensors").exists()


def test_a_frozen_node_stays_as_it_is(
    folder: Path, pictures: Dataset, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Node] = []

    def listen(cast: Cast, config: GraphExperimentConfig, outputs: dict, *rest: object) -> object:
        old = cast.nodes["old"]
        seen.append(old)
        assert not any(module.training for module in old.modules())
        assert not outputs["old"].table.values.requires_grad
        assert outputs["old"].label is None
        return graph_losses(cast, config, outputs, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "graph_losses", listen)
    train(experiment(pictures, distilling(teacher), "I>word"), pictures, folder / "still")
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in seen[-1].parameters())
    before = load_file(teacher / "model.safetensors")
    state = seen[-1].model.state_dict()
    assert any("running_mean" in key for key in before)
    assert all(torch.equal(state[key], tensor) for key, tensor in before.items())


def test_a_frozen_weight_that_moves_is_found(
    folder: Path, pictures: Dataset, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(cast: Cast, config: GraphExperimentConfig, outputs: dict, *rest: object) -> object:
        with torch.no_grad():
            next(cast.nodes["old"].parameters()).view(-1)[0] += 1e-3
        return graph_losses(cast, config, outputs, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "graph_losses", tamper)
    config = experiment(pictures, distilling(teacher), "I>word")
    for name, options in {"at the end": QUIET, "when saving": replace(QUIET, checkpoint_steps=2)}.items():
        with pytest.raises(TrainingError, match=r"old should be frozen and moved"):
            train(config, pictures, folder / name, options=options)
        assert not (folder / name / "checkpoint.safetensors").exists()
        steps = [line for line in GraphDirectory(folder / name).metrics() if line["kind"] == "step"]
        assert len(steps) == (9 if name == "at the end" else 2)


def shuffled_words(pictures: Dataset, folder: Path) -> Dataset:
    """The same images with other classes: those of the items, in another order."""
    return classed(folder, "shuffled", ("three", "one", "two"))


def test_without_its_label_edge_a_classifier_never_sees_labels(folder: Path, pictures: Dataset, teacher: Path) -> None:
    other = shuffled_words(pictures, folder)
    assert not np.array_equal(pictures.label("word"), other.label("word"))
    blind = distilling(teacher).replace("label -> small: through", "label -> small: cutoff")
    found = {}
    for name, data in {"as they are": pictures, "shuffled": other}.items():
        for way, text in {"blind": blind, "seeing": distilling(teacher)}.items():
            directory = train(experiment(data, text, "I>word"), data, folder / f"{way} {name}")
            found[way, name] = hashes(directory)["small"]
    assert found["blind", "as they are"] == found["blind", "shuffled"]
    assert found["seeing", "as they are"] != found["seeing", "shuffled"]
    # A gate that asks whether the source is right looks at the labels through it.
    asking = [
        hashes(train(experiment(data, blind.replace("logits through", "logits correct"), "I>word"), data, folder / out))
        for data, out in ((pictures, "asking"), (other, "asking shuffled"))
    ]
    assert asking[0] != asking[1]


def test_unpaired_items_teach_across_nodes(folder: Path) -> None:
    """No item to learn from holds text and video: the target itself learns nothing, and still learns from a peer."""
    data = unpaired(folder)
    text = (
        "tv: target T-V; av: peer A-V; ta: peer T-A; label -> tv: through; label -> av: through; label -> ta: through"
    )
    taught = text + "; av -> tv: similarity through; ta -> tv: similarity through"
    untaught = train(experiment(data, text), data, folder / "untaught")
    directory = train(experiment(data, taught), data, folder / "taught")
    before, after = hashes(untaught), hashes(directory)
    assert before["tv"] != after["tv"]
    assert {name: before[name] for name in ("av", "ta")} == {name: after[name] for name in ("av", "ta")}
    steps = [line for line in directory.metrics() if line["kind"] == "step"]
    assert all(line["nodes"]["tv"]["terms"]["from av"] > 0 for line in steps)
    own = [value for term, value in steps[0]["nodes"]["tv"]["terms"].items() if not term.startswith("from ")]
    assert own == [0.0]
    assert load(directory.node_folder("tv")).identity == after["tv"]


def test_batches_are_the_same_whatever_the_nodes_look_at(dataset: Dataset) -> None:
    configs = [experiment(dataset, text) for text in (ONE, THREE)]
    sources = [
        BatchSource(dataset, dataset.split("train"), c.modalities, c.batch_size, c.seed, 0, fewest=1) for c in configs
    ]
    one, three = ([batch.items.tolist() for _, batch in source.steps(1)] for source in sources)
    assert one == three

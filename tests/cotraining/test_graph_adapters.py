"""Nodes that are adapters over one base: what each learns, what they share, and what stays as it is."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from graph_run_cases import (
    BATCH,
    EPOCHS,
    QUIET,
    StoppedError,
    alone,
    assert_same_graph,
    complete,
    dying_at,
    experiment,
    hashes,
    train,
    train_alone,
)
from safetensors.torch import load_file
from torch import nn

from trichord.adapters.identity import load_identity
from trichord.adapters.lora import LowRank
from trichord.adapters.settings import LowRankConfig
from trichord.config import replaced
from trichord.cotraining import loop
from trichord.cotraining.build import build_cast
from trichord.cotraining.experiment import UNREPORTED
from trichord.cotraining.nodes import Network, PairNode
from trichord.cotraining.recorder import GraphRecorder
from trichord.cotraining.sharing import sharing
from trichord.data import Dataset
from trichord.encoders import GlobalBatchNorm2d, ImageHeadConfig, JointEncoderConfig, LinearHeadConfig
from trichord.errors import ConfigError, RunError, TrainingError
from trichord.evaluation import evaluate
from trichord.evaluation.result import load_result
from trichord.files import hash_tensors
from trichord.modality import parse_pair, parse_task
from trichord.objectives import InfoNCEConfig, ObjectiveConfig, PairwiseConfig, WeightedPairConfig
from trichord.recipes.adapt import Adaptation, adapt
from trichord.runs import ExperimentConfig, Model, SelectionConfig, load, run_experiment
from trichord.training.loop import Position

# The base drops inputs before its first layer and within, and the matrices drop their own.
SMALL = Adaptation(low_rank=LowRankConfig(rank=3, alpha=6, dropout=0.3), learning_rate=0.01)
NAMES = {"VT": "T-V", "AT": "T-A", "VA": "A-V"}
NODES = "; ".join(f"{name}: {'target' if name == 'VT' else 'peer'} {sides} adapter" for name, sides in NAMES.items())
LABELS = "; ".join(f"label -> {name}: through" for name in NAMES)
EDGES = "; ".join(f"{a} -> {b}: similarity through" for a in NAMES for b in NAMES if a != b)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapters")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return complete(folder)


@pytest.fixture(scope="module")
def base(folder: Path, dataset: Dataset) -> Model:
    return load(train_alone(alone(dataset, "AVT"), dataset, folder / "base").path)


def learnt_alone(base: Model, dataset: Dataset, pair: str, settings: Adaptation) -> ExperimentConfig:
    config = adapt(base, dataset.spec, parse_pair(pair, dataset.modalities), 5, settings)
    stage = {"epochs": EPOCHS, "batch_size": BATCH, "keep": "last"}
    return replaced(config, {f"stages.0.{name}": value for name, value in stage.items()})


@pytest.mark.parametrize(
    "settings",
    [SMALL, replace(SMALL, sides=("text",)), replace(SMALL, low_rank=LowRankConfig(initial="pissa", rank=2))],
    ids=["both sides", "one side", "starting from the weights"],
)
def test_adapters_that_nobody_teaches_are_those_of_ordinary_runs(
    folder: Path, dataset: Dataset, base: Model, settings: Adaptation, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    graph = f"{NODES}; {LABELS}"
    if settings != SMALL:
        graph = "VT: target T-V adapter; label -> VT: through"
    config = experiment(dataset, graph, seed=5, base=base, adaptation=settings)
    directory = train(config, dataset, folder / f"graph {name}", base=base)
    for node in config.learners:
        out = folder / f"run {name} {node}"
        run = run_experiment(learnt_alone(base, dataset, node, settings), dataset, out, options=QUIET, initial=base)
        there, here = load_identity(run.path), load_identity(directory.node_folder(node))
        assert here.weights == there.weights, node
        assert (here.base, here.left, here.right, here.sides) == (there.base, there.left, there.right, there.sides)


def test_sharing_the_base_changes_no_number(
    folder: Path, dataset: Dataset, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{NODES}; as_it_is: frozen T-V adapter; {LABELS}; {EDGES}; as_it_is -> AT: similarity correct"
    config = experiment(dataset, text, base=base, adaptation=SMALL)
    state = {key: tensor.clone() for key, tensor in base.encoder.state_dict().items()}
    shared = train(config, dataset, folder / "shared", base=base)
    assert base.adapters == ()
    now = base.encoder.state_dict()
    assert set(now) == set(state), "the caller's base has no matrices"
    assert all(torch.equal(now[key], tensor) for key, tensor in state.items())
    assert not base.encoder.training
    assert shared.status()["frozen"] == {"the base": base.identity}
    monkeypatch.setattr(loop, "sharing", lambda module: nullcontext())
    assert_same_graph(train(config, dataset, folder / "apart", base=base), shared)


def test_sharing_spares_frozen_products(
    folder: Path, dataset: Dataset, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three adapters look at two modalities each, so that inputs are dropped six times without sharing.

    With it, where the same input comes as the first, or the second, of two adapters: each draws at its own place.
    """
    counts = {}
    original = torch.nn.functional.dropout
    for way in ("shared", "apart"):
        calls: list[float] = []
        with monkeypatch.context() as patched:
            if way == "apart":
                patched.setattr(loop, "sharing", lambda module: nullcontext())

            def counted(values: torch.Tensor, p: float, *rest: object, seen: list[float] = calls) -> torch.Tensor:
                seen.append(p)
                return original(values, p, *rest)

            patched.setattr(torch.nn.functional, "dropout", counted)
            config = experiment(dataset, f"{NODES}; {LABELS}", base=base, adaptation=SMALL)
            one = replace(config, epochs=1, batch_size=70, selection=replace(config.selection, split=None))
            train(replace(one, report_split=None), dataset, folder / f"counted {way}", base=base)
        counts[way] = sum(p == 0.7 for p in calls)  # what the base drops of its input
    assert counts == {"shared": 4, "apart": 6}


def test_a_frozen_adapter_is_the_base_as_it_is(folder: Path, dataset: Dataset, base: Model) -> None:
    text = "VT: target T-V adapter; old: frozen T-V adapter; label -> VT: through; old -> VT: similarity through"
    config = experiment(dataset, text, base=base, adaptation=SMALL)
    directory = train(config, dataset, folder / "frozen", base=base)
    scoring = config.scoring
    own = evaluate(base.encoder, dataset, "test", [parse_task("T>V", dataset.modalities)], scoring)["T>V"]
    assert directory.result("test", "old").metrics == own.metrics
    assert directory.result("test", "VT").metrics != own.metrics
    cast = build_cast(config, dataset, base, torch.device("cpu"), None)
    assert not cast.nodes["old"].learns
    assert cast.base is not base.encoder


def test_an_adapter_that_was_learnt_before_teaches_and_stays(folder: Path, dataset: Dataset, base: Model) -> None:
    learnt = run_experiment(
        learnt_alone(base, dataset, "VT", SMALL), dataset, folder / "VT", options=QUIET, initial=base
    )
    start = f'"{learnt.path}"'
    nodes = f"VT: target T-V adapter; old: frozen T-V adapter from {start}"
    text = f"{nodes}; label -> VT: through; old -> VT: similarity through"
    config = experiment(dataset, text, base=base, adaptation=SMALL)
    directory = train(config, dataset, folder / "taught", base=base)
    assert (
        directory.result("test", "old").metrics["MRR"]
        == load_result(learnt.results_folder("test"), "T>V").metrics["MRR"]
    )
    assert set(directory.status()["frozen"]) == {"old", "the base"}
    cast = build_cast(config, dataset, base, torch.device("cpu"), None)
    taught = cast.nodes["old"]
    assert not any(p.requires_grad for name, p in taught.named_parameters() if ".old." in name)
    stranger = run_experiment(alone(dataset, "AVT", seed=9), dataset, folder / "stranger", options=QUIET)
    other = load(stranger.path)
    with pytest.raises(RunError, match=r"adapter over the base .* name one of this base"):
        build_cast(replaced(config, {"base": other.identity}), dataset, other, torch.device("cpu"), None)
    with pytest.raises(RunError, match="the experiment starts from 0"):
        build_cast(replaced(config, {"starts.old": "0"}), dataset, base, torch.device("cpu"), None)
    with pytest.raises(ConfigError, match="starts anew"):
        experiment(dataset, f"VT: target T-V adapter from {start}; label -> VT: through", base=base, adaptation=SMALL)


def test_a_saved_adapter_is_loaded_by_the_base(folder: Path, dataset: Dataset, base: Model) -> None:
    config = experiment(dataset, f"{NODES}; {LABELS}; {EDGES}", base=base, adaptation=SMALL)
    directory = train(config, dataset, folder / "loaded", base=base)
    assert set(hashes(directory)) == set(NAMES)
    model = load(folder / "base")
    for name, sides in NAMES.items():
        assert model.load_adapter(directory.node_folder(name)) == name
        task = f"{sides[0]}>{sides[2]}"
        with model.bank.using(name) as encoder:
            found = evaluate(encoder, dataset, "test", [parse_task(task, dataset.modalities)], config.scoring)[task]
        assert found.metrics == directory.result("test", name).metrics, name


@pytest.mark.slow
def test_adapters_go_on_exactly(folder: Path, dataset: Dataset, base: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{NODES}; {LABELS}; {EDGES.replace('similarity through', 'embedding linear')}"
    config = experiment(dataset, text, base=base, adaptation=SMALL)
    whole = train(config, dataset, folder / "whole", base=base)
    options = replace(QUIET, checkpoint_steps=2)
    with monkeypatch.context() as patched:
        patched.setattr(GraphRecorder, "at_boundary", dying_at(Position(0, 1, 2)))
        with pytest.raises(StoppedError):
            train(config, dataset, folder / "died", base=base, options=options)
    saved = load_file(folder / "died" / "checkpoint.safetensors")
    assert any(key.startswith("AT.system.payloads") for key in saved)
    assert all(".lora_" in key for key in saved if ".system.model." in key), "the base is in no checkpoint"
    assert all(f".{key.split('.')[0]}." in key[3:] for key in saved if ".lora_" in key), "each has its own matrices"
    assert_same_graph(train(config, dataset, folder / "died", base=base), whole)


def test_a_base_that_moves_is_found(
    folder: Path, dataset: Dataset, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = loop.graph_losses

    def tamper(cast: object, *rest: object) -> object:
        with torch.no_grad():
            next(cast.base.parameters()).view(-1)[0] += 1e-3  # type: ignore[attr-defined]
        return original(cast, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "graph_losses", tamper)
    config = experiment(dataset, f"{NODES}; {LABELS}", base=base, adaptation=SMALL)
    with pytest.raises(TrainingError, match="the base should be frozen and moved"):
        train(config, dataset, folder / "moved", base=base)


def test_the_wrong_base_is_refused(folder: Path, dataset: Dataset, base: Model) -> None:
    config = experiment(dataset, f"{NODES}; {LABELS}", base=base, adaptation=SMALL)
    with pytest.raises(RunError, match=f"over the base {base.identity}, got no model"):
        train(config, dataset, folder / "none")
    other = load(train_alone(alone(dataset, "AVT", seed=8), dataset, folder / "other base").path)
    with pytest.raises(RunError, match=f"over the base {base.identity}, got {other.identity}"):
        train(config, dataset, folder / "wrong", base=other)
    with pytest.raises(ConfigError, match=r"node 'VT' is an adapter; name the run folder of its base"):
        experiment(dataset, f"{NODES}; {LABELS}")
    # A graph without adapters does not ask for one.
    plain = experiment(dataset, "tv: target T-V; label -> tv: through", base=base)
    given = train(plain, dataset, folder / "unasked", base=base)
    assert hashes(given) == hashes(train(plain, dataset, folder / "not given"))


def test_a_base_that_was_measured_on_the_split_that_chooses(folder: Path, dataset: Dataset, base: Model) -> None:
    """Nothing learnt from it or was chosen on it; a graph that reports nothing may be chosen by it."""
    asked = {"evaluation.split": "val", "selection.split": None}
    measured = Model(replaced(base.config, asked), base.encoder, base.identity)
    assert adapt(measured, dataset.spec, parse_pair("VT", dataset.modalities)).selection.split is None
    text = "VT: target T-V adapter; label -> VT: through"
    config = experiment(dataset, text, base=measured, selection=SelectionConfig(), report_split=None)
    assert config.alone("VT").evaluation.split == UNREPORTED
    assert replace(config, report_split="test").alone("VT").evaluation.split == "test"
    directory = train(config, dataset, folder / "chosen by val", base=measured)
    assert directory.curve()
    usual = experiment(dataset, text, base=base, selection=SelectionConfig(), report_split=None)
    assert usual.alone("VT").evaluation.split == "test", "the learner's own, where the graph leaves it alone"
    assert hashes(train(usual, dataset, folder / "usual", base=base)) == hashes(directory)


def test_an_adapter_of_nothing_is_refused(dataset: Dataset) -> None:
    for text in (
        "VT: target T-V adapter; label -> VT: through",
        "tv: target T-V; VT: frozen T-V adapter; label -> tv: through; VT -> tv: similarity through",
    ):
        with pytest.raises(ConfigError, match=r"node 'VT' is an adapter; name the run folder of its base \(--base\)"):
            experiment(dataset, text)


def test_what_an_adapter_puts_in_training_mode() -> None:
    """Its own side drops inputs; batch statistics, and the side that it leaves alone, stay as they are."""
    encoders = {
        "image": ImageHeadConfig(input_dim=16, output_dim=4, height=4, width=4, dropout=0.5),
        "text": LinearHeadConfig(input_dim=3, output_dim=4, dropout=0.5),
    }
    model = JointEncoderConfig(encoders=dict(encoders)).build()
    model.requires_grad_(False)
    low_rank = LowRank(model)
    low_rank.attach("IT", LowRankConfig(rank=2, dropout=0.1), ["encoders.image"])
    part = PairwiseConfig(objective=InfoNCEConfig(), pairs=(WeightedPairConfig(left=("image",), right=("text",)),))
    objective = ObjectiveConfig(parts={"contrast": part}).build()
    network = Network(model, ("image", "text"), low_rank, "IT", shared=True)
    node = PairNode(network, {}, ("image",), ("text",), objective)
    node.set_mode()
    modes = {name: module.training for name, module in model.encoders.named_modules()}
    norms = [name for name, module in model.encoders.named_modules() if isinstance(module, GlobalBatchNorm2d)]
    assert norms
    assert not any(modes[name] for name in norms)
    assert modes["image.dropout"]
    assert not modes["text.dropout"]
    assert all(dropout.training for dropout in low_rank.dropouts())
    still = PairNode(Network(model, ("image", "text"), low_rank, shared=True), {}, ("image",), ("text",), None)
    still.set_mode()
    assert not any(module.training for module in model.modules())


class Layers(nn.Module):
    """Two branches over one input: dropout, a layer that writes in place, one that is called with a name, and plain."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.linear, self.relu, self.named = (
            nn.Dropout(0.5),
            nn.Linear(4, 4),
            nn.ReLU(inplace=True),
            nn.Linear(4, 4),
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        dropped = self.dropout(values)
        first = self.linear(dropped)
        return self.named(input=self.relu(first)) + torch.rand(())


def test_sharing_is_safe_with_layers_that_draw_write_or_are_called_by_name() -> None:
    torch.manual_seed(0)
    layers, values = Layers().requires_grad_(False), torch.randn(5, 4)

    def twice() -> list[torch.Tensor]:
        found = []
        for seed in (1, 1):
            torch.manual_seed(seed)
            found.append(layers(values))
        return found

    apart = twice()
    with sharing(layers):
        together = twice()
        with torch.no_grad():
            values.add_(1.0)
        changed = twice()
    assert "forward" not in vars(layers.linear)
    assert all(torch.equal(a, b) for a, b in zip(apart, together, strict=True))
    assert not torch.equal(changed[0], together[0]), "what was written to meanwhile is not what was given"
    assert all(torch.equal(a, b) for a, b in zip(changed, twice(), strict=True))
    assert hash_tensors(layers.state_dict())

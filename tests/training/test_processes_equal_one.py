"""Two processes on different rows give the loss and the gradient of one process on all of them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from processes import run_processes
from torch.nn.parallel import DistributedDataParallel

from trichord.adapters.lora import LowRank
from trichord.adapters.settings import LowRankConfig
from trichord.batch import Batch, Features
from trichord.curricula import set_trainable, training_mode
from trichord.dist import world_size
from trichord.encoders import (
    AudioEncoderConfig,
    GatedHeadConfig,
    GlobalBatchNorm2d,
    JointEncoderConfig,
    LinearHeadConfig,
)
from trichord.objectives import (
    ClusterConfig,
    InfoNCEConfig,
    ObjectiveConfig,
    PairwiseConfig,
    ReconstructionConfig,
    VolumeConfig,
    WeightedPairConfig,
)
from trichord.training.optimization import OptimizerConfig, build_optimizer
from trichord.training.system import AdapterView, System, adapted

NAMES = ("video", "audio", "text")
ROWS = 13


def make_system(steps: int, published: bool) -> System:
    torch.manual_seed(0)
    model = JointEncoderConfig(
        encoders={
            "video": GatedHeadConfig(input_dim=6, output_dim=5),
            "audio": AudioEncoderConfig(
                input_dim=4, output_dim=5, widths=(3, 4), mask_padding=not published, training_frames=12
            )
            if steps == 1
            else LinearHeadConfig(input_dim=4, output_dim=5),
            "text": LinearHeadConfig(input_dim=7, output_dim=5),
        }
    )
    pairs = tuple(
        WeightedPairConfig(left=(a,), right=(b,)) for a, b in [("text", "video"), ("text", "audio"), ("video", "audio")]
    )
    dims = {name: encoder.target_dim for name, encoder in model.encoders.items()}
    objective = ObjectiveConfig(
        parts={
            "contrast": PairwiseConfig(objective=InfoNCEConfig(), pairs=pairs),
            "cluster": ClusterConfig(modalities=NAMES, dim=5, num_clusters=3, memory_size=20, refresh_every=2),
            "reconstruction": ReconstructionConfig(dim=5, dims=dims, hidden=4),
            "volume": VolumeConfig(anchor="text", others=("video", "audio")),
        }
    )
    return System(model.build(), objective.build(), NAMES)


def make_batch(step: int, rows: slice, sequences: bool) -> Batch:
    """Rows of one global batch; audio is missing for some, and for all of the first few rows."""
    generator = torch.Generator().manual_seed(step)
    video, text = torch.randn(ROWS, 6, generator=generator), torch.randn(ROWS, 7, generator=generator)
    audio = torch.randn(ROWS, 9, 4, generator=generator) if sequences else torch.randn(ROWS, 4, generator=generator)
    items = torch.arange(ROWS)[rows]
    held = items >= 5
    lengths = 2 + items[held] % 8 if sequences else None
    features = {
        "video": Features(video[rows], torch.arange(len(items))),
        "text": Features(text[rows], torch.arange(len(items))),
    }
    if held.any():
        values = audio[rows][held]
        if lengths is not None:
            values = values[:, : int(lengths.max())]
        features["audio"] = Features(values, torch.nonzero(held).squeeze(1), lengths)
    return Batch(items, features)


def train(rows_of_ranks: list[list[int]], steps: int, published: bool = False) -> dict[str, object]:
    """Take plain gradient steps; return losses, the last gradients, and every parameter and buffer."""
    system = make_system(steps, published)
    parallel = world_size() > 1
    first, last = rows_of_ranks[torch.distributed.get_rank() if parallel else 0]
    module = (
        DistributedDataParallel(system, find_unused_parameters=True, broadcast_buffers=False) if parallel else system
    )
    losses = []
    for step in range(steps):
        system.train()
        system.zero_grad(set_to_none=True)
        terms = module(make_batch(step, slice(first, last), sequences=steps == 1))
        terms.total.backward()
        losses.append(terms.total.item())
        with torch.no_grad():
            for parameter in system.parameters():
                if parameter.grad is not None:
                    parameter -= 0.05 * parameter.grad
    gradients = {name: p.grad.clone() for name, p in system.named_parameters() if p.grad is not None}
    return {"losses": losses, "gradients": gradients, "state": dict(system.state_dict())}


@pytest.mark.parametrize(
    ("steps", "cut", "published"),
    [(1, 8, False), (1, 8, True), (4, 5, False)],
    ids=["audio trunk", "audio trunk, padding not masked", "several steps, one rank lacks audio"],
)
def test_loss_gradient_and_state(tmp_path: Path, steps: int, cut: int, published: bool) -> None:
    one = train([[0, ROWS]], steps, published)
    for two in run_processes(train, 2, tmp_path, [[0, cut], [cut, ROWS]], steps, published):
        torch.testing.assert_close(two["losses"], one["losses"], rtol=1e-5, atol=1e-6)
        assert set(two["gradients"]) == set(one["gradients"])
        for name, gradient in one["gradients"].items():
            torch.testing.assert_close(
                two["gradients"][name], gradient, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
            )
        for name, value in one["state"].items():
            torch.testing.assert_close(
                two["state"][name], value, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_the_check_would_notice_a_gather_without_gradient(tmp_path: Path) -> None:
    one = train([[0, ROWS]], 1)
    halves = [train([[0, 5]], 1), train([[5, ROWS]], 1)]
    name = "model.encoders.text.projection.weight"
    name = (
        name if name in one["gradients"] else next(n for n in one["gradients"] if "text" in n and n.endswith("weight"))
    )
    averaged = sum(half["gradients"][name] for half in halves) / 2
    assert not torch.allclose(averaged, one["gradients"][name], rtol=1e-2)


TOGETHER, AFTER = "together", "after"


def make_adapted(way: str, low_rank: LowRankConfig) -> System:
    """Adapters VT and AT, the audio trunk's convolutions included; the base learns along, or is frozen."""
    plain = make_system(1, False)
    matrices = LowRank(plain.model)
    sides = {"VT": ("video", "text"), "AT": ("audio", "text"), "VA": ("video", "audio")}
    views = {}
    for name, names in sides.items():
        matrices.attach(name, low_rank, [f"encoders.{side}" for side in names])
        generator = torch.Generator().manual_seed(len(views))
        for tensor in matrices.tensors(name).values():
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
        pair = WeightedPairConfig(left=names[:1], right=names[1:])
        contrast = PairwiseConfig(objective=InfoNCEConfig(), pairs=(pair,))
        if name != "VA":  # stays out of the stage
            views[name] = AdapterView(names, ObjectiveConfig(parts={"contrast": contrast}).build())
    system = System(plain.model, plain.objective if way == TOGETHER else None, NAMES, matrices, views)
    set_trainable(system.model.encoders, NAMES if way == TOGETHER else ())
    matrices.learn(views)
    system.train()
    training_mode(system.model.encoders, NAMES if way == TOGETHER else (), adapted(system.model.encoders))
    return system


EVERYWHERE = LowRankConfig(rank=2, alpha=4.0, targets="linear and convolution")


def learn_adapted(rows_of_ranks: list[list[int]], way: str) -> dict[str, object]:
    """Take one backward pass; return loss, terms, gradients and buffers."""
    system = make_adapted(way, EVERYWHERE)
    parallel = world_size() > 1
    first, last = rows_of_ranks[torch.distributed.get_rank() if parallel else 0]
    module = (
        DistributedDataParallel(system, find_unused_parameters=True, broadcast_buffers=False) if parallel else system
    )
    terms = module(make_batch(0, slice(first, last), sequences=True))
    terms.total.backward()
    return {
        "loss": terms.total.item(),
        "terms": {name: value.item() for name, value in terms.terms.items()},
        "gradients": {name: p.grad.clone() for name, p in system.named_parameters() if p.grad is not None},
        "buffers": dict(system.named_buffers()),
    }


def learn_both(rows_of_ranks: list[list[int]]) -> dict[str, dict[str, object]]:
    return {way: learn_adapted(rows_of_ranks, way) for way in (TOGETHER, AFTER)}


@pytest.mark.slow
def test_two_processes_equal_one_with_adapters(tmp_path: Path) -> None:
    one = learn_both([[0, ROWS]])
    own = {name for name in one[AFTER]["gradients"] if ".lora_" in name}
    assert own == {name for name in one[AFTER]["gradients"] if name.startswith("model.")}, "the base is frozen"
    assert {one[AFTER]["gradients"][name].ndim for name in own} == {2, 4}, "linear layers and convolutions"
    assert own < set(one[TOGETHER]["gradients"])
    assert not any(".VA." in name for name in one[TOGETHER]["gradients"])
    # Rows 0 to 4 lack audio, so the first process has none to look at through AT.
    for two in run_processes(learn_both, 2, tmp_path, [[0, 5], [5, ROWS]]):
        for way, alone in one.items():
            assert two[way]["loss"] == pytest.approx(alone["loss"], rel=1e-5)
            assert two[way]["terms"] == pytest.approx(alone["terms"], rel=1e-4, abs=1e-6)
            for kind in ("gradients", "buffers"):
                assert set(two[way][kind]) == set(alone[kind])
                for name, value in alone[kind].items():
                    torch.testing.assert_close(
                        two[way][kind][name], value, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
                    )


@pytest.mark.parametrize("way", [TOGETHER, AFTER])
def test_the_loss_is_the_sum_of_what_is_seen_through_each_adapter(way: str) -> None:
    system, other = make_adapted(way, EVERYWHERE), make_adapted(way, EVERYWHERE)
    batch = make_batch(0, slice(0, ROWS), sequences=True)
    terms = system(batch)
    # Independently: a plain copy of the base into whose weights an adapter is merged, encoded by itself. Buffers of
    # batch statistics move in between where the base learns, which does not change what is computed in training.
    expected = torch.zeros(())
    if way == TOGETHER:
        assert other.objective is not None
        expected = expected + other.objective(other.model(batch.features, ROWS)).total
    for name, pair in (("VT", ("video", "text")), ("AT", ("audio", "text"))):
        merged = other.low_rank.merged(name)
        training_mode(merged.encoders, NAMES if way == TOGETHER else (), pair)
        vectors = merged(batch.features, ROWS, only=pair)
        rows = vectors.present[pair[0]] & vectors.present[pair[1]]
        scores = vectors.vectors[pair[0]][rows] @ vectors.vectors[pair[1]][rows].T
        scale = 1 / InfoNCEConfig().initial_temperature
        labels = torch.arange(int(rows.sum()))
        forth = torch.nn.functional.cross_entropy(scores * scale, labels)
        back = torch.nn.functional.cross_entropy(scores.T * scale, labels)
        key = f"{name}/contrast/{pair[0]}-{pair[1]}"
        torch.testing.assert_close(terms.terms[key], (forth + back) / 2, rtol=1e-4, atol=1e-5)
        expected = expected + (forth + back) / 2
    torch.testing.assert_close(terms.total, expected, rtol=1e-4, atol=1e-5)


def test_no_gradient_reaches_what_does_not_learn() -> None:
    batch = make_batch(0, slice(0, ROWS), sequences=True)
    for way in (TOGETHER, AFTER):
        system = make_adapted(way, EVERYWHERE)
        system(batch).total.backward()
        reached = {name for name, parameter in system.named_parameters() if parameter.grad is not None}
        views = {name for name in reached if name.startswith("view_objectives.")}
        base = {name for name in reached - views if ".lora_" not in name and name.startswith("model.")}
        assert bool(base) == (way == TOGETHER)
        for adapter in ("VT", "AT"):
            own = {n for n, p in system.named_parameters() if f".{adapter}." in n and ".lora_" in n}
            assert own
            assert own <= reached
            assert all(bool(system.get_parameter(name).grad.any()) for name in own if ".lora_B." in name)
        assert not any(".VA." in name for name in reached)
        assert not any(p.requires_grad for n, p in system.named_parameters() if ".lora_" in n and ".VA." in n)


def test_a_frozen_trunk_keeps_its_statistics_while_an_adapter_with_dropout_learns() -> None:
    system = make_adapted(AFTER, replace(EVERYWHERE, dropout=0.5))
    before = {name: buffer.clone() for name, buffer in system.model.named_buffers()}
    norms = [module for module in system.model.modules() if isinstance(module, GlobalBatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert all(dropout.training for dropout in system.low_rank.dropouts())
    optimizer = build_optimizer(system, OptimizerConfig(learning_rate=0.1))
    losses = set()
    for step in range(3):
        torch.manual_seed(step)
        loss = system(make_batch(0, slice(0, ROWS), sequences=True)).total
        losses.add(loss.item())
        loss.backward()
        optimizer.zero_grad()
    assert len(losses) == 3, "inputs are dropped"
    loss = system(make_batch(0, slice(0, ROWS), sequences=True)).total
    loss.backward()
    optimizer.step()
    for name, buffer in system.model.named_buffers():
        assert torch.equal(buffer, before[name]), name

"""Two processes on different rows give the loss and the gradient of one process on all of them."""

from pathlib import Path

import pytest
import torch
from processes import run_processes
from torch.nn.parallel import DistributedDataParallel

from trichord.batch import Batch, Features
from trichord.dist import world_size
from trichord.encoders import AudioEncoderConfig, GatedHeadConfig, JointEncoderConfig, LinearHeadConfig
from trichord.objectives import (
    ClusterConfig,
    InfoNCEConfig,
    ObjectiveConfig,
    PairwiseConfig,
    ReconstructionConfig,
    VolumeConfig,
    WeightedPairConfig,
)
from trichord.training.system import System

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

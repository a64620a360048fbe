"""Gathering over processes must be one process in value, and in gradient once parameter gradients are averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_processes

from trichord import dist

SIZES = [3, 0, 2]


def shard(tensor: torch.Tensor) -> torch.Tensor:
    return torch.split(tensor, SIZES)[dist.rank()]


def rows() -> torch.Tensor:
    return torch.randn(sum(SIZES), 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def model() -> torch.nn.Linear:
    linear = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        linear.weight.copy_(torch.linspace(-1, 1, 12).view(3, 4))
        linear.bias.copy_(torch.tensor([0.3, -0.2, 0.1]))
    return linear


def asymmetric_loss(embedded: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
    """Every row matters differently, and every row meets every other: a swapped or doubled row changes the value."""
    weights = torch.arange(1, len(embedded) + 1, dtype=embedded.dtype)
    return ((embedded @ embedded.T / temperature).softmax(dim=1) * weights[:, None] * weights.square()).sum()


def gradients(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    linear = model()
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    loss = asymmetric_loss(dist.gather_rows(linear(inputs)), temperature)
    loss.backward()  # type: ignore[no-untyped-call]
    found = {"weight": linear.weight.grad, "bias": linear.bias.grad, "temperature": temperature.grad}
    return {"loss": loss.detach(), **{name: grad for name, grad in found.items() if grad is not None}}


def in_each_process() -> dict[str, Any]:
    everything = rows()
    numbers = torch.arange(len(everything) * 2).view(-1, 2)
    return {
        "rank": dist.rank(),
        "world_size": dist.world_size(),
        "is_main": dist.is_main(),
        "float": dist.gather_rows(shard(everything)),
        "int": dist.gather_rows(shard(numbers)),
        "bool": dist.gather_rows(shard(everything[:, 0] > 0)),
        "gradients": gradients(shard(everything)),
        "transposed": dist.sum_processes(torch.arange(6.0).view(2, 3).T + dist.rank()),
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("dist")
    return run_processes(in_each_process, len(SIZES), folder)


def test_processes_know_their_place(results: list[dict[str, Any]]) -> None:
    assert [result["rank"] for result in results] == list(range(len(SIZES)))
    assert all(result["world_size"] == len(SIZES) for result in results)
    assert [result["is_main"] for result in results] == [True, False, False]


def test_unequal_shards_come_together_in_rank_order(results: list[dict[str, Any]]) -> None:
    everything = rows()
    for result in results:
        assert torch.equal(result["float"], everything)
        assert torch.equal(result["int"], torch.arange(len(everything) * 2).view(-1, 2))
        assert result["int"].dtype == torch.int64
        assert torch.equal(result["bool"], everything[:, 0] > 0)
        assert result["bool"].dtype == torch.bool


def test_the_average_gradient_is_that_of_one_process(results: list[dict[str, Any]]) -> None:
    alone = gradients(rows())
    for name, expected in alone.items():
        average = torch.stack([result["gradients"][name] for result in results]).mean(dim=0)
        torch.testing.assert_close(average, expected)
    one_shard = results[0]["gradients"]["weight"]
    assert not torch.allclose(one_shard, alone["weight"]), "the shards' own gradients must differ for this to test"


def test_a_sum_takes_tensors_of_any_layout(results: list[dict[str, Any]]) -> None:
    expected = len(SIZES) * torch.arange(6.0).view(2, 3).T + sum(range(len(SIZES)))
    for result in results:
        assert torch.equal(result["transposed"], expected)


def test_one_process_is_the_identity() -> None:
    values = rows()
    assert dist.gather_rows(values) is values
    assert dist.sum_processes(values) is values
    assert (dist.world_size(), dist.rank(), dist.is_main()) == (1, 0, True)
    dist.barrier()

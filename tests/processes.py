"""Runs a function in several gloo processes on the CPU, and brings back what each of them returned."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from torch.multiprocessing.spawn import start_processes

# One server imports these once, and every process is forked from it: a spawned one would spend its time on imports.
PRELOADED = ["torch._dynamo", "torch.distributed", "torch.nn.parallel", "trichord.data", "trichord.training.system"]


def run_processes(function: Callable[..., Any], world_size: int, tmp_path: Path, *args: Any) -> list[Any]:
    """Call `function(*args)` in `world_size` processes that form one gloo group; return the results in rank order.

    The function must stand at the top level of its module. What it returns must be tensors, numbers, strings, or
    lists and dictionaries of them. A process that raises makes this call raise.
    """
    folder = tmp_path / f"processes-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    multiprocessing.set_forkserver_preload(PRELOADED)
    start_processes(  # type: ignore[no-untyped-call]
        _enter, args=(function, world_size, folder, args), nprocs=world_size, start_method="forkserver"
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world_size)]


def _enter(rank: int, function: Callable[..., Any], world_size: int, folder: Path, args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size)
    try:
        torch.save(function(*args), folder / f"{rank}.pt")
        distributed.barrier()
    finally:
        distributed.destroy_process_group()

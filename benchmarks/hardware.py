"""What the machine is and can do."""

from __future__ import annotations

import os

import torch

from trichord.runs.environment import describe_environment

SHOWN_PACKAGES = ("trichord", "torch", "numpy", "accelerate")


def use_all_cores() -> None:
    """Let torch use every core; OMP_NUM_THREADS, which suits many small tensors, is not for these sizes."""
    torch.set_num_threads(os.cpu_count() or 1)


def bfloat16_support() -> str | None:
    """Return which hardware computes matrix products in bfloat16 here, or None."""
    if torch.cuda.is_available():
        return "CUDA" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "AVX512-BF16" if torch.cpu._is_avx512_bf16_supported() else None


def machine() -> dict[str, object]:
    """Return processor, cores, threads, GPUs, bfloat16 capability and versions as plain data."""
    environment = describe_environment()
    packages = {name: environment["packages"][name] for name in SHOWN_PACKAGES}
    kept = {key: environment[key] for key in ("processor", "cores", "threads", "gpus", "python")}
    return {**kept, "bfloat16": bfloat16_support(), "packages": packages}


def machine_line() -> str:
    """Return `machine` as one line."""
    found = machine()
    gpus = found["gpus"]
    packages = found["packages"]
    assert isinstance(gpus, list)
    assert isinstance(packages, dict)
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    return (
        f"{found['processor']}, {found['cores']} cores, {found['threads']} threads, "
        f"{', '.join(gpus) or 'no GPU'}, bfloat16: {found['bfloat16'] or 'no'}; python {found['python']}, {versions}"
    )

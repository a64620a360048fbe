"""What a run ran on: packages, commit, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import trichord

PACKAGES = ("torch", "numpy", "accelerate", "safetensors", "pyarrow", "tyro", "peft", "transformers", "matplotlib")


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that matter to the numbers; None for those not installed."""
    return {"trichord": trichord.__version__, **{name: _find_version(name) for name in PACKAGES}}


# What follows stays the same in one process, and a study asks for every run.
@cache
def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def source_commit() -> str | None:
    """Commit of the source tree the package runs from, "+changes" where it was edited; None outside a git checkout."""
    folder = Path(trichord.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def describe_environment() -> dict[str, Any]:
    """Return packages, commit, platform and hardware as plain data."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "packages": package_versions(),
        "commit": source_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
    }


@cache
def processor_name() -> str:
    """Model name of the processor where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )

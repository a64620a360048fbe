"""`trichord doctor`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

from trichord.cli.options import parse_command
from trichord.files import write_json
from trichord.runs.environment import describe_environment

EXTRAS = {"report": ("matplotlib", "jinja2"), "tensorboard": ("tensorboard",), "search": ("optuna", "sklearn")}


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Print what is installed, what the hardware can do, and whether the parts work; exit 1 if something needed fails.

    Args:
        json: print JSON.
    """

    json: bool = False


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well, and what to do if not."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


def examine() -> list[Finding]:
    """Carry out all checks."""
    findings = [
        Finding("python", sys.version_info >= (3, 10), f"{sys.version.split()[0]}; 3.10 or later is needed"),
        Finding("torch", True, torch.__version__),
        Finding("gpu", torch.cuda.is_available(), _gpu(), needed=False),
        Finding("bfloat16", _bfloat16(), "used by --set.precision bfloat16 (on GPUs by default)", needed=False),
        Finding("several processes", torch.distributed.is_available(), "torch.distributed, started by torchrun", False),
        _writing(),
        _torchvision(),
    ]
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        detail = f"pip install 'trichord[{extra}]' brings {', '.join(missing)}" if missing else "installed"
        findings.append(Finding(f"extra {extra}", not missing, detail, needed=False))
    return findings


def _gpu() -> str:
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names) or f"none; {torch.get_num_threads()} CPU threads will do the work"


def _bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _writing() -> Finding:
    try:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            write_json(Path(folder) / "probe.json", {})
    except OSError as error:
        return Finding("writing here", False, f"{Path.cwd()}: {error}")
    return Finding("writing here", os.access(Path.cwd(), os.W_OK), str(Path.cwd()))


def _torchvision() -> Finding:
    if find_spec("torchvision") is None:
        return Finding("torchvision", True, "not installed, and not needed", needed=False)
    try:
        found = import_module("torchvision")
        return Finding("torchvision", True, f"{found.__version__}, works; not needed", needed=False)
    except Exception as error:
        return Finding("torchvision", False, f"installed but broken ({error}); uninstall it", needed=False)


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Doctor, arguments, "trichord doctor")
    findings, environment = examine(), describe_environment()
    if command.json:
        print(json.dumps({"findings": [asdict(f) for f in findings], "environment": environment}))
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "FAIL" if finding.needed else "-   "
            print(f"{mark} {finding.name:<18} {finding.detail}")
        for name, found in environment["packages"].items():
            print(f"     {name:<18} {found or 'not installed'}")
        print(f"     {'processor':<18} {environment['processor']}, {environment['cores']} cores")
    if any(finding.needed and not finding.ok for finding in findings):
        raise SystemExit(1)

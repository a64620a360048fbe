"""Makes the helper modules of this folder importable from every test, and spares processes repeated work."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Tests and package are compiled with checks in them, which takes longer than most tests: once, not in every process.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# These take longest: begin with them, so that one worker is not left with them alone at the end. A file stays with one
# worker (Makefile), which makes its fixtures once.
LONG = (
    "test_docs.py",
    "test_reproduce.py",
    "test_run.py",
    "test_pairs_study.py",
    "test_graph_study.py",
    "test_graph_adapters.py",
    "test_graph_processes.py",
    "test_orders.py",
    "test_verdicts.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later garbage collection; every training run asks for one."""
    gc.collect()
    gc.freeze()

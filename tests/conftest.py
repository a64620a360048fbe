"""Makes the helper modules of this folder importable from every test, and from the processes that tests start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that one worker is not left with them alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_docs.py")

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from report_maker import FAST, write_study

from trichord.reports import Entry, Table, build_table, load_entries


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def entries(study: Sequence[Path]) -> tuple[Entry, ...]:
    return load_entries(study)


@pytest.fixture(scope="session")
def table(entries: tuple[Entry, ...]) -> Table:
    return build_table(entries, effort=FAST)

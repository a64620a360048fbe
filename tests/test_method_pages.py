"""The pages about methods name files, symbols and fields that exist, and the values that the recipe has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trichord.config import leaves
from trichord.data import DatasetSpec, ModalitySpec
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.recipes import mcn

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "methods").glob("*.md"))
CODE = re.compile(r"`((?:[a-z_]+/)*[a-z_0-9]+\.py)(?:: ([\w, ]+))?`")
LINK = re.compile(r"\]\(([^)#:]+)\)")
FIELD = re.compile(r"`((?:stages\.0|model|evaluation|precision)[\w.]*)`")
HOWTO100M = DatasetSpec(
    "howto100m",
    (
        ModalitySpec(VIDEO, "pooled", 4096, 1),
        ModalitySpec(AUDIO, "sequence", 40, 1),
        ModalitySpec(TEXT, "sequence", 300, 1),
    ),
    1,
    {"train": 1},
)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_there_are_pages() -> None:
    assert ROOT / "docs" / "methods" / "mcn.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_symbols_and_links_exist(page: Path) -> None:
    found = CODE.findall(read(page))
    assert len(found) > 20
    for name, symbols in found:
        path = ROOT / name if name.startswith("tests/") else ROOT / "src" / "trichord" / name
        assert path.exists(), name
        for symbol in filter(None, symbols.split(", ")):
            assert re.search(rf"^ *(?:(?:def|class) )?{symbol}\b", read(path), re.MULTILINE), f"{name}: {symbol}"
    for link in LINK.findall(read(page)):
        assert (page.parent / link).exists(), link


def test_the_fields_of_mcn_and_their_published_values() -> None:
    text = read(ROOT / "docs" / "methods" / "mcn.md")
    config = dict(leaves(mcn(HOWTO100M).to_dict()))
    named = FIELD.findall(text)
    for field in named:
        assert field in config or any(path.startswith(f"{field}.") for path in config), field
    rows = re.findall(r"^\| .+? \| ([^|]+?) \| `([\w.]+)`", text, re.MULTILINE)
    held = [(value, field) for value, field in rows if field in config]
    assert len(held) > 20
    for value, field in held:
        found = config[field]
        assert found == value if isinstance(found, str) else float(found) == float(value), field

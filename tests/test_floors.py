"""A module may import from its own package and from the floors below it; never sideways, never up."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "trichord"
FLOORS = [
    {"errors", "modality", "shapes", "batch", "config", "files", "randomness", "optional", "dist"},
    {"metrics", "objectives", "foreign", "backbones"},
    {"data", "encoders"},
    {"curricula", "adapters", "graphs"},
    {"training", "evaluation"},
    {"runs"},
    {"reports", "diagnosis", "cotraining", "classification"},
    {"recipes"},
    {"studies"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
ONE_DOOR = {
    "accelerate": "training/engine.py",
    "peft": "adapters/lora.py",
    "pyarrow": "data",
    "tyro": "cli/options.py",
    "jinja2": "reports/template.py",
    "sudachipy": "data/tokens.py",
    "transformers": "backbones",
    "optuna": "studies/graphs/optuna_door.py",
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py" or path.parent != ROOT)


@cache
def imported_modules(path: Path) -> tuple[str, ...]:
    """Return the dotted name of every module a file imports, at the top or inside a function."""
    return tuple(_imported_modules(path))


def _imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (
                [f"trichord.{a.name}" for a in node.names] if node.module == "trichord" else [node.module or ""]
            )
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert room in FLOOR_OF, f"{room} has no floor; give it one here and in docs/architecture.md"
    for module in imported_modules(path):
        if not module.startswith("trichord.") or module == "trichord.__version__":
            continue
        other = module.split(".")[1]
        ground = FLOOR_OF[room] == FLOOR_OF[other] == 0
        assert other == room or ground or FLOOR_OF[other] < FLOOR_OF[room], f"{path.relative_to(ROOT)} imports {other}"


@pytest.mark.parametrize(("framework", "door"), ONE_DOOR.items())
def test_a_foreign_framework_enters_through_one_door(framework: str, door: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in FILES
        if any(m.split(".")[0] == framework for m in imported_modules(path))
    }
    assert users, f"nothing imports {framework}; take it out of this test"
    assert all(user == door or user.startswith(f"{door}/") for user in users), users


def test_every_floor_is_inhabited() -> None:
    rooms = {
        path.name.removesuffix(".py")
        for path in ROOT.iterdir()
        if path.name not in ("__init__.py", "py.typed", "__pycache__")
    }
    assert rooms == set(FLOOR_OF)

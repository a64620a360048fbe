"""`trichord import youcook2`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(YouCook2Import, import_youcook2, arguments, "trichord import youcook2")

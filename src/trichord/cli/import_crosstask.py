"""`trichord import crosstask`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.crosstask import CrossTaskImport, import_crosstask


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(CrossTaskImport, import_crosstask, arguments, "trichord import crosstask")

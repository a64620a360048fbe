"""`trichord import howto100m`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.howto100m import HowTo100MImport, import_howto100m


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(HowTo100MImport, import_howto100m, arguments, "trichord import howto100m")

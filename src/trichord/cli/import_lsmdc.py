"""`trichord import lsmdc`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.lsmdc import LsmdcImport, import_lsmdc


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(LsmdcImport, import_lsmdc, arguments, "trichord import lsmdc")

"""`trichord import msrvtt`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.msrvtt import MsrvttImport, import_msrvtt


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(MsrvttImport, import_msrvtt, arguments, "trichord import msrvtt")

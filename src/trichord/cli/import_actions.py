"""`trichord import actions`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.actions import ActionsImport, import_actions


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(ActionsImport, import_actions, arguments, "trichord import actions")

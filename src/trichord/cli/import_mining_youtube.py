"""`trichord import mining-youtube`."""

from __future__ import annotations

from trichord.cli.importing import run_import
from trichord.data.importers.mining_youtube import MiningYouTubeImport, import_mining_youtube


def run(arguments: list[str]) -> None:
    """Run the command."""
    run_import(MiningYouTubeImport, import_mining_youtube, arguments, "trichord import mining-youtube")

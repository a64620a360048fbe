"""`trichord import digits`."""

from __future__ import annotations

from trichord.cli.options import parse_command
from trichord.data.check import check_dataset
from trichord.data.importers.digits import DigitsImport, import_digits


def run(arguments: list[str]) -> None:
    """Run the command: import, then check what was made; exit 1 if the check finds errors."""
    dataset = import_digits(parse_command(DigitsImport, arguments, "trichord import digits"))
    checked = check_dataset(dataset.path)
    print(checked.to_text())
    print(f"{dataset.spec.name}: writers are not known in this copy, so the splits are by image, not by writer")
    if not checked.ok:
        raise SystemExit(1)

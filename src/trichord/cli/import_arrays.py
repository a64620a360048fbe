"""`trichord import arrays`."""

from __future__ import annotations

from trichord.cli.options import parse_command
from trichord.data.arrays import ArraysImport, import_arrays
from trichord.data.check import check_dataset


def run(arguments: list[str]) -> None:
    """Run the command: import, then check what was made; exit 1 if the check finds errors."""
    report = import_arrays(parse_command(ArraysImport, arguments, "trichord import arrays"))
    for reference, number in report.ignored.items():
        print(f"left out: {number} rows of {reference}, whose id no item has")
    checked = check_dataset(report.path)
    print(checked.to_text())
    if not checked.ok:
        raise SystemExit(1)

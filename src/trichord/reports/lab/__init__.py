"""The table of the lab: its two earlier rounds, the reproduction beside them, and the published rows below."""

from trichord.reports.lab.rows import OurEntry, Section
from trichord.reports.lab.table import LabTable, build_lab_table

__all__ = ["LabTable", "OurEntry", "Section", "build_lab_table"]

"""Is something set wrong? A run is compared with chance, its own earlier epochs, its data and another run."""

from trichord.diagnosis.diagnose import Diagnosis, conclude, diagnose
from trichord.diagnosis.facts import Facts
from trichord.diagnosis.finding import Evidence, Finding
from trichord.diagnosis.reading import read_facts

__all__ = ["Diagnosis", "Evidence", "Facts", "Finding", "conclude", "diagnose", "read_facts"]

"""Studies: many resumable runs, and the one table they lead to."""

from trichord.studies.machine import Outcome, PlannedRun, run_planned
from trichord.studies.orders import OrdersStudy, StudyOutcome, run_orders_study
from trichord.studies.planted import PlantedVerdict, judge_winners

__all__ = [
    "OrdersStudy",
    "Outcome",
    "PlannedRun",
    "PlantedVerdict",
    "StudyOutcome",
    "judge_winners",
    "run_orders_study",
    "run_planned",
]

"""What a reader must know before believing the numbers of a study of graphs."""

from __future__ import annotations

from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.numbers import counted, listed


def find_warnings(report: GraphStudyReport) -> list[str]:
    """Say what a reader must know before believing the numbers."""
    finished, failed = len(report.in_state("finished")), report.in_state("failed")
    found = []
    if finished < 2:
        reached = "No trial" if finished == 0 else "Only one trial"
        found.append(f"{reached} reached its end, so that there was nothing to choose between.")
    if failed:
        retried = {trial.retry_of for trial in report.trials}
        lost = sum(trial.number not in retried for trial in failed)
        ends = {0: "each was tried again", len(failed): "none was tried again"}
        end = ends.get(lost, f"{lost} of them {'was' if lost == 1 else 'were'} not tried again")
        numbers = listed([str(trial.number) for trial in failed])
        found.append(f"{counted(len(failed), 'trial')} failed (number {numbers}); {end}.")
        found += [f"Trial {trial.number} failed: {trial.message}" for trial in failed if trial.message]
    if len(report.trials) < report.num_trials:
        found.append(f"The search stopped after {len(report.trials)} of {report.num_trials} trials.")
    if report.seeds < 2 and report.contenders:
        found.append(
            "The final comparison has one seed, so that its intervals do not hold the variation of seeds: what is "
            "better or worse in it may not be so with another seed."
        )
    if report.times_reported > 1:
        found.append(
            f"Split {report.report_split} was measured for {report.times_reported} graphs, as the study was made "
            "longer after it had been reported: who goes on because of what it showed chooses by it."
        )
    return found

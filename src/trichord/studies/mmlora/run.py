"""The study of MMLoRA: experts of all seeds, then MMLoRA and its controls, settings chosen on validation, one table.

1. Experts: an encoder with a linear classifier per modality, each trained alone; and, as a control, by matrices alone.
2. Everything else, over the frozen experts or from the start: MMLoRA in each modality and in all, at every rank; the
   classifier on top alone, which says what the matrices add, and joint learning, each at as many learning rates; joint
   learning held near the experts at as many weights.
3. For each method validation chooses one setting, by the mean over seeds. The ensemble of experts is computed from
   their answers, its weights chosen likewise. Nothing is chosen by the answers to the reported split.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from trichord.classification.directory import ClassifierDirectory
from trichord.data import Dataset
from trichord.errors import ConfigError, RunError
from trichord.reports.mmlora.answers import write_answers
from trichord.reports.mmlora.page import write_mmlora_page
from trichord.reports.mmlora.plain import write_table
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.runs import RunOptions
from trichord.studies.mmlora.assemble import build_report
from trichord.studies.mmlora.identity import check_folder, claim_folder, identify_study
from trichord.studies.mmlora.study import MMLoRAStudy, prepare
from trichord.studies.mmlora.trained import Trainings, default_workers
from trichord.training.engine import Engine


@dataclass(frozen=True)
class MMLoRAOutcome:
    """A finished study: its report, and where the table and the page lie."""

    report: MMLoRAReport
    table: Path
    page: Path


def run_mmlora_study(
    study: MMLoRAStudy, dataset: Dataset, out: Path, *, workers: int | None = None, options: RunOptions | None = None
) -> MMLoRAOutcome:
    """Carry out a study; killed at any point and started again, it goes on where it was.

    Args:
        study: what is studied.
        dataset: the data.
        out: folder of the study: study.json, experts/, runs/, experts.json, table.json, report.html.
        workers: trainings at once, each with an equal share of the cores; None decides by encoders and machine. The
            share decides the order of sums, and so the last bits of every number.
        options: choices that do not change the numbers.

    Raises:
        ConfigError, DataError: a setting or the data do not fit; before anything is trained.
        RunError: a folder is busy or holds something else, or another study, before anything is trained; some trainings
            failed, of which the message lists each, and the others are kept; or an expert's folder changed, or the
            record of what experts held is gone, while others rested on them.
        KeyboardInterrupt: the user stopped it; what was in progress wrote a checkpoint.
    """
    begun = time.monotonic()
    options = options or RunOptions()
    if workers is not None and workers < 1:
        raise ConfigError(f"workers counts trainings at once and is at least 1, got {workers}")
    prepared = prepare(study, dataset)
    workers = workers or default_workers(prepared)
    out = out.resolve()
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file, and a study is written to a folder; choose another --out")
    identity = identify_study(prepared)
    check_folder(out, identity)
    with ClassifierDirectory(out).lock():
        claim_folder(out, identity)
        done, proven = Trainings(prepared, out, workers, options).carry_out()
        device = Engine(
            prepared.recipe.expert(next(iter(prepared.recipe.encoders)), 0).precision, options.device
        ).device
        report = build_report(prepared, done, proven, device)
        report = replace(report, seconds=round(time.monotonic() - begun, 1), workers=workers)
        report = replace(report, answers=write_answers(report))
        write_table(out / "table.json", report)
        write_mmlora_page(out / "report.html", report)
    return MMLoRAOutcome(report, out / "table.json", out / "report.html")

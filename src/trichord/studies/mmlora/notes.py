"""What a reader of a study must know, in sentences: how long and among what each row learnt, and what was proven."""

from __future__ import annotations

from trichord.reports.mmlora.record import MMLoRAReport
from trichord.reports.mmlora.words import spoken
from trichord.reports.numbers import counted, listed
from trichord.studies.mmlora.plan import HEAD, JOINT, OVER_LORA_EXPERTS, UMT
from trichord.studies.mmlora.study import Prepared
from trichord.studies.mmlora.trained import EXPERTS_FILE

FEW_SOURCES = 50
"""Below so many sources a reader is told that intervals do not hold new ones."""


def write_notes(prepared: Prepared, report: MMLoRAReport, proven: int) -> list[str]:
    """Return the notes.

    Args:
        prepared: the study.
        report: what it found; its own notes are not looked at.
        proven: experts' folders that were proven not to have changed.
    """
    study = prepared.study
    notes = [
        f"The folders of {proven} experts hold, to the bit, what they held before anything was learnt over them "
        f"(SHA-256 of every file, {EXPERTS_FILE}).",
        _epochs(prepared),
        *_choices(prepared, report),
        *_probed(prepared, report),
        *_sources(report),
        "Rank, alpha, places and rates are ours: those of the paper are not known to us.",
    ]
    if len(prepared.recipe.encoders) == 1:
        notes.append(
            "With one modality there is nothing to join: no ensemble and no joint learning; MMLoRA goes on learning by "
            "matrices over the frozen expert."
        )
    if study.controls and any(name not in study.sources for name in prepared.recipe.encoders):
        notes.append(
            "LoRA experts of encoders of ours learn by matrices over random weights: they say what is lost by adapting "
            "where nothing was learnt before."
        )
    return notes


def _epochs(prepared: Prepared) -> str:
    """Say how many passes over the data lead to each row: they are not the same for all."""
    epochs, names = prepared.recipe.settings.epochs, {method.name for method in prepared.methods}
    twice = f"{epochs} + {epochs} (the experts', and their own)"
    parts = [f"experts {epochs}" + (", and so has their ensemble" if len(prepared.recipe.encoders) > 1 else "")]
    parts.append(f"MMLoRA and the {HEAD} {twice}" if HEAD in names else f"MMLoRA {twice}")
    if JOINT in names:
        parts.append(f"joint learning {2 * epochs}")
    if UMT in names:
        parts.append(f"that with teachers {epochs} + {2 * epochs}, its experts' coming first")
    return f"Epochs that lead to a row: {'; '.join(parts)}. Linear probes are fitted until they converge."


def _choices(prepared: Prepared, report: MMLoRAReport) -> list[str]:
    """Say among how many settings each row was chosen, and among how many the best of MMLoRA."""
    study, tries = prepared.study, len(prepared.study.ranks)
    there = {method.name for method in prepared.methods}
    others = [spoken(name) for name in (HEAD, JOINT, UMT) if name in there]
    by_rank = "each row of MMLoRA" + (" and each LoRA expert" if study.controls else "")
    by_others = f", {listed(others)} among as many learning rates or weights" if others else ""
    said = [
        f"Settings were chosen by the mean over seeds on {study.selection_split}: {by_rank} among "
        f"{counted(tries, 'rank')}{by_others}. Experts that learn as a whole have one setting; linear probes choose "
        "their penalty" + (", ensembles their weights." if others else ".")
    ]
    rows = [row for row in report.methods if row.family == "mmlora" and not row.name.endswith(OVER_LORA_EXPERTS)]
    if len(rows) > 1:
        said.append(
            f"The best row of MMLoRA was chosen among {len(rows)} rows of {counted(tries, 'setting')}, "
            f"{len(rows) * tries} in all"
            + (f", and joint learning among {tries}: that choice favours MMLoRA." if JOINT in there else ".")
        )
    return said


def _probed(prepared: Prepared, report: MMLoRAReport) -> list[str]:
    """Say after how many epochs encoders were probed that are held against each other."""
    if not report.under_training:
        return []
    epochs = prepared.recipe.settings.epochs
    return [
        f"Under-training holds the encoders of joint learning after {2 * epochs} epochs against those of the experts "
        f"after {epochs}: one that is behind may as well have learnt too long (fitted too closely) as too little. Its "
        "tests are adjusted by Holm's rule among themselves, apart from those of the table."
    ]


def _sources(report: MMLoRAReport) -> list[str]:
    """Warn where the reported items come from few sources: intervals take each item for one of its own."""
    if report.sources is None or report.sources >= FEW_SOURCES:
        return []
    return [
        f"The {report.items[report.split]} items of {report.split} come from {counted(report.sources, 'source')}, and "
        "those of one source are alike: intervals and tests hold for other items of these sources, not for new sources."
    ]

"""From what a study trained to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from trichord.data import Dataset
from trichord.evaluation.class_results import majority
from trichord.evaluation.class_scores import class_metrics
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport, RankPoint
from trichord.studies.mmlora.comparing import build_rows, deciding, rank_effects
from trichord.studies.mmlora.entrants import Entrant, ensemble_entrant, trained_entrant
from trichord.studies.mmlora.notes import write_notes
from trichord.studies.mmlora.plan import ENSEMBLE, LORA_ENSEMBLE, OVER_LORA_EXPERTS, expert_name, lora_expert_name
from trichord.studies.mmlora.probes import probe_entrants
from trichord.studies.mmlora.select import PLACES
from trichord.studies.mmlora.study import Prepared
from trichord.studies.mmlora.trained import Trained
from trichord.studies.mmlora.under_training import find_under_training


def build_report(prepared: Prepared, done: Mapping[str, Trained], proven: int, device: torch.device) -> MMLoRAReport:
    """Return the report, less its answers and the time it took.

    Args:
        prepared: the study.
        done: name -> method that was trained, in the order of the table.
        proven: experts' folders that were proven not to have changed.
        device: where pretrained encoders are run for their probe.
    """
    study, dataset, labels = prepared.study, prepared.dataset, prepared.labels
    rows = build_rows(enter(prepared, done, device))
    fit, report = dataset.split(*study.fit_splits), dataset.split(study.report_split)
    found = MMLoRAReport(
        title=f"MMLoRA for {study.label} on {dataset.spec.name}",
        dataset=dataset.spec.name,
        fingerprint=dataset.fingerprint(),
        label=study.label,
        several=study.several,
        classes=labels.names,
        modalities=prepared.recipe.letters,
        encoders=prepared.described,
        fit_splits=study.fit_splits,
        validation=study.selection_split,
        split=study.report_split,
        items={
            split: dataset.spec.splits[split]
            for split in (*study.fit_splits, study.selection_split, study.report_split)
        },
        sources=count_sources(dataset, study.report_split),
        seeds=study.seeds,
        metrics=class_metrics(study.several),
        chance=majority(labels.truth[fit], labels.truth[report], study.several),
        methods=rows,
        ranks=rank_points(done, study.selection_split, study.report_split),
        rank_effects=rank_effects(done, study.report_split),
        under_training=find_under_training(done, study.report_split),
        best=best_row(rows).name,
        flags=_flags(done),
        folders={name: trained.folders[0].path.parent.as_posix() for name, trained in done.items()},
    )
    return replace(found, notes=tuple(write_notes(prepared, found, proven)))


def count_sources(dataset: Dataset, split: str) -> int | None:
    """Return from how many sources (speakers, recordings) the items of a split come; None where the data name none."""
    sources = dataset.source
    return None if sources is None else len({sources[item] for item in dataset.split(split).tolist()})


def enter(prepared: Prepared, done: Mapping[str, Trained], device: torch.device) -> list[Entrant]:
    """Return everything that enters the table, in reading order: probes, experts, ensembles, and what was trained."""
    study, names = prepared.study, tuple(prepared.recipe.encoders)
    splits = (study.selection_split, study.report_split)
    entered = {name: trained_entrant(trained, done, splits) for name, trained in done.items()}
    for called, of_expert in ((ENSEMBLE, expert_name), (LORA_ENSEMBLE, lora_expert_name)):
        experts = {name: done[of_expert(name)] for name in names if of_expert(name) in done}
        if len(experts) > 1:
            entered[called] = ensemble_entrant(called, experts, splits)
    return [*probe_entrants(prepared, device), *sorted(entered.values(), key=_reading_order)]


def _reading_order(entrant: Entrant) -> tuple[int, bool, bool]:
    families = ("probe", "expert", "ensemble", "head", "mmlora", "joint", "teacher")
    return families.index(entrant.family), "LoRA experts" in entrant.name, entrant.name.startswith("LoRA")


def rank_points(done: Mapping[str, Trained], validation: str, report: str) -> tuple[RankPoint, ...]:
    """Return every rank of every placement over the same experts as the table's rows."""
    return tuple(
        RankPoint(
            method=name,
            rank=int(setting.value),
            validation=deciding(trained.scores(validation, setting=place)),
            test=deciding(trained.scores(report, setting=place)),
            trainable=int(trained.runs[place][0].status()["trainable"]),
            chosen=place == trained.chosen,
        )
        for name, trained in done.items()
        if trained.method.family == "mmlora"
        for place, setting in enumerate(trained.method.settings)
    )


def best_row(rows: Sequence[MethodRow]) -> MethodRow:
    """Return the row of MMLoRA that validation prefers; of equal ones the first. Over LoRA experts it is a control."""
    entered = (row for row in rows if row.family == "mmlora" and not row.name.endswith(OVER_LORA_EXPERTS))
    return max(entered, key=lambda row: round(row.validation, PLACES))


def _flags(done: Mapping[str, Trained]) -> tuple[str, ...]:
    """Return what the trainings warned of, each once, with the methods it concerns."""
    told: dict[str, list[str]] = {}
    for name, trained in done.items():
        for run in trained.folders:
            for flag in run.status().get("flags", []):
                told.setdefault(flag, [])
                if name not in told[flag]:
                    told[flag].append(name)
    return tuple(f"{flag} ({', '.join(names)})" for flag, names in told.items())

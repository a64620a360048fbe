"""Which modality joint learning left under-trained: the same linear probe on its encoders and on the experts'."""

from __future__ import annotations

from collections.abc import Mapping

from trichord.classification.directory import probe
from trichord.evaluation.class_results import compare_classes
from trichord.evaluation.class_scores import class_metrics
from trichord.reports.mmlora.record import UnderTraining
from trichord.reports.table import SIGNIFICANCE
from trichord.studies.mmlora.comparing import adjust, deciding
from trichord.studies.mmlora.plan import JOINT, UMT, expert_name
from trichord.studies.mmlora.trained import Trained


def find_under_training(done: Mapping[str, Trained], split: str) -> tuple[UnderTraining, ...]:
    """Hold the encoders of joint learning, with and without teachers, against the experts'.

    p-values are adjusted by Holm's rule over modalities and methods. An encoder counts as under-trained where its probe
    is worse by that test and the interval, which holds the seeds, says so too.

    Args:
        done: name -> method that was trained.
        split: the reported split.
    """
    pairs = [
        (method, name)
        for method in (JOINT, UMT)
        if method in done
        for name in done[method].method.modalities
        if not _unprobed(done[method], name) and not _unprobed(done[expert_name(name)], name)
    ]
    sides = [(done[m].scores(split, probe(n)), done[expert_name(n)].scores(split, probe(n))) for m, n in pairs]
    found = [
        compare_classes(here, there, class_metrics(here[0].several)[0], matched=bool(done[method].method.experts))
        for (method, _), (here, there) in zip(pairs, sides, strict=True)
    ]
    return tuple(
        UnderTraining(
            modality=name,
            method=method,
            probe=deciding(here),
            expert=deciding(there),
            difference=paired,
            under_trained=paired.high < 0 and paired.holm < SIGNIFICANCE,
        )
        for (method, name), (here, there), paired in zip(pairs, sides, adjust(found), strict=True)
    )


def _unprobed(trained: Trained, name: str) -> bool:
    """Whether an encoder has no probe, as where no item to learn from holds its modality with some class."""
    flags = [flag for run in trained.folders for flag in run.status().get("flags", [])]
    return any(flag.startswith(f"no linear probe of {name}:") for flag in flags)

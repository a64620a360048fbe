"""What was found, in sentences that claim no more than the intervals and the adjusted tests allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trichord.reports.graphs.words import show_seconds
from trichord.reports.mmlora.control_answers import tell_matrices, tell_rivals
from trichord.reports.mmlora.rank_answers import tell_edges, tell_ranks
from trichord.reports.mmlora.record import MMLoRAReport, Paired, UnderTraining
from trichord.reports.mmlora.standing import (
    Standing,
    adapted_rows,
    apart,
    candidates,
    controls,
    find_row,
    left_behind,
    main_controls,
    reservation,
    standing,
)
from trichord.reports.mmlora.words import (
    show_estimate,
    show_paired,
    show_points,
    show_share,
    show_size,
    spoken,
    title_of,
    with_setting,
)
from trichord.reports.numbers import counted, listed, show_p, show_signed

PHRASES: dict[Standing, str] = {
    "better": "better than",
    "worse": "worse than",
    "no difference shown": "not distinguishable from",
}


def write_answers(report: MMLoRAReport) -> tuple[str, ...]:
    """Say what a study found, the best setting of MMLoRA first.

    Args:
        report: the study; its own `answers` are not looked at.
    """
    said = [
        tell_best(report),
        *tell_matrices(report),
        *tell_rivals(report),
        tell_others(report),
        *tell_ranks(report),
        tell_edges(report),
        *tell_under_training(report),
        *tell_missing(report),
        tell_cost(report),
    ]
    if len(report.seeds) == 1:
        said.append("With one seed, the intervals do not hold the variation of seeds.")
    return tuple(sentence for sentence in said if sentence)


def tell_best(report: MMLoRAReport) -> str:
    """Say which setting of MMLoRA validation prefers, what it reaches, and how it stands to the main controls."""
    row, metric = find_row(report, report.best), report.metrics[0]
    if row is None or metric not in row.metrics:
        return f"MMLoRA was not measured, so nothing can be said about it.{_experts(report)}"
    tried = candidates(report)
    settings = sum(max(1, one.tries) for one in tried)
    among = f", among {counted(settings, 'setting')} of MMLoRA," if settings > 1 else ""
    lead = f"On {report.validation}{among} {with_setting(row)} is best"
    if settings == 1:
        lead = f"{with_setting(row)} is the one setting of MMLoRA that was tried"
    told = f"{lead}; its {metric} on {report.split} is {show_estimate(metric, row.metrics[metric])}"
    if not row.against:
        return f"{told}, and it was compared with nothing."
    against = {name: found for name, found in row.against.items() if name in main_controls(report)}
    if not against:
        return f"{told}."
    parts = []
    for verdict, phrase in PHRASES.items():
        names = [name for name, found in against.items() if standing(found) == verdict]
        if names:
            numbers = [f"{spoken(name)} ({show_paired(metric, against[name])})" for name in names]
            parts.append(f"{phrase} {' or '.join(numbers) if verdict.startswith('no') else listed(numbers)}")
    return f"{told}: {' and '.join(parts)}, adjusted by Holm's rule.{_unsure(against)}"


def _experts(report: MMLoRAReport) -> str:
    metric = report.metrics[0]
    experts = [row for row in report.methods if row.family == "expert" and metric in row.metrics]
    told = listed([f"{row.name} {show_estimate(metric, row.metrics[metric])}" for row in experts])
    return f" By {metric} on {report.split}: {told}." if told else ""


def _unsure(against: Mapping[str, Paired]) -> str:
    doubts = [(name, reservation(found)) for name, found in against.items()]
    return "".join(f" Against {spoken(name)}, {doubt}." for name, doubt in doubts if doubt)


def tell_others(report: MMLoRAReport) -> str:
    """Say which further rows of MMLoRA differ from a control; one sentence, "" where there are none."""
    rows = [row for row in adapted_rows(report) if row.name != report.best and row.against]
    against = listed([spoken(name) for name in controls(report)]).replace(" and ", " or ")
    if not rows:
        return ""
    parts = []
    for row in rows:
        for verdict in ("better", "worse"):
            names = [name for name, found in row.against.items() if standing(found) == verdict]
            numbers = [f"{spoken(name)} ({show_points(report.metrics[0], row.against[name])})" for name in names]
            parts += [f"{row.name} is {verdict} than {listed(numbers)}"] if names else []
    others = f"the other {counted(len(rows), 'row')} of MMLoRA" if len(rows) > 1 else f"the other row, {rows[0].name},"
    if not parts:
        return f"For {'none of ' if len(rows) > 1 else ''}{others} {_shown(len(rows))} from {against}."
    return f"Of {others.rstrip(',')}, {'; '.join(parts)}; beyond that no difference from {against} is shown."


def _shown(rows: int) -> str:
    return "is a difference shown" if rows > 1 else "no difference is shown"


def tell_under_training(report: MMLoRAReport) -> tuple[str, ...]:
    """Say, method by method, which encoders were left under-trained and by how much, or that none is shown to be."""
    methods = dict.fromkeys(line.method for line in report.under_training)
    return tuple(
        _tell_method(report, [line for line in report.under_training if line.method == method]) for method in methods
    )


def _tell_method(report: MMLoRAReport, lines: Sequence[UnderTraining]) -> str:
    metric, method = report.metrics[0], spoken(lines[0].method)
    behind = [line for line in lines if left_behind(line)]
    level = [line for line in lines if line not in behind]
    if behind:
        numbers = [
            f"{line.modality} (a linear probe of its encoder reaches {show_estimate(metric, line.probe)} where one of "
            f"the expert's reaches {show_estimate(metric, line.expert)}: {show_paired(metric, line.difference)})"
            for line in behind
        ]
        told = f"{title_of(method)} left under-trained: {listed(numbers)}."
        if not level:
            return told
        return f"{told} Not shown of {_probes(report, level)}.{_ahead(level)}{_doubts(level)}"
    return (
        f"{title_of(method)} is not shown to leave any modality under-trained; the probe of its encoder minus that of "
        f"the expert's: {_probes(report, level)}.{_ahead(level)}{_doubts(level)}"
    )


def _probes(report: MMLoRAReport, lines: Sequence[UnderTraining]) -> str:
    return listed([f"{line.modality} ({show_points(report.metrics[0], line.difference)})" for line in lines])


def _ahead(lines: Sequence[UnderTraining]) -> str:
    names = [line.modality for line in lines if standing(line.difference) == "better"]
    verb = "is" if len(names) == 1 else "are"
    return f" {title_of(listed(names))} {verb} even ahead of the expert's." if names else ""


def _doubts(lines: Sequence[UnderTraining]) -> str:
    said = []
    for line in lines:
        doubt = reservation(line.difference)
        if doubt and line.difference.difference < 0:
            said.append(f" For {line.modality}, {doubt} ({show_p(line.difference.holm)}).")
    return "".join(said)


def tell_missing(report: MMLoRAReport) -> tuple[str, ...]:
    """Say what the best MMLoRA scores with each modality removed, and whether the intervals tell that from the whole.

    The two were measured on the same items, so that intervals that touch do not show that nothing is lost.
    """
    row, metric = find_row(report, report.best), report.metrics[0]
    if row is None or not row.without or metric not in row.metrics:
        return ()
    whole = row.metrics[metric]
    parts = []
    for modality, found in row.without.items():
        change = show_signed(metric, found.value - whole.value)
        close = "" if apart(found, whole) else "; its interval touches that of all modalities"
        parts.append(f"without {modality} {show_estimate(metric, found)} ({change} points{close})")
    return (
        f"With a modality removed at test time, the {metric} of {row.name} is, instead of "
        f"{show_estimate(metric, whole)}, {listed(parts)}.",
    )


def tell_cost(report: MMLoRAReport) -> str:
    """Say what the best MMLoRA takes to train, beside joint learning where there is a row of it."""
    row = find_row(report, report.best)
    if row is None:
        return ""
    joint = next((one for one in report.methods if one.family == "joint"), None)
    mine = row.cost
    learns = f"In its last stage, {with_setting(row)} learns {mine.trainable:,} parameters"
    total = mine.seconds + mine.seconds_before
    if joint is None or not joint.cost.trainable:
        return (
            f"{learns} ({show_size(mine.training_bytes)} of weights, gradients and optimizer state); all stages "
            f"together took {show_seconds(total)}."
        )
    theirs = joint.cost
    other = theirs.seconds + theirs.seconds_before
    return (
        f"{learns}, {show_share(mine.trainable, theirs.trainable)} of the {theirs.trainable:,} of "
        f"{spoken(joint.name)}, with {show_size(mine.training_bytes)} of weights, gradients and optimizer state "
        f"against {show_size(theirs.training_bytes)}; all stages together took {show_seconds(total)} against "
        f"{show_seconds(other)}."
    )

"""Whether what was trained had converged, entry by entry and stage by stage, seeds of one verdict together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trichord.reports.curves import StageVerdict
from trichord.reports.numbers import listed
from trichord.reports.summary import BRIEF


@dataclass(frozen=True)
class VerdictLine:
    """Seeds of one entry and stage that came out alike.

    Args:
        label, stage: what was trained.
        verdict, sentence: see `StageVerdict`.
        seeds: the seeds.
        best_epochs: of each seed; None without validation.
        epochs: of each seed.
    """

    label: str
    stage: str
    verdict: str
    sentence: str
    seeds: tuple[int, ...]
    best_epochs: tuple[int | None, ...]
    epochs: tuple[int, ...]


def verdict_table(verdicts: Mapping[str, Sequence[StageVerdict]]) -> tuple[VerdictLine, ...]:
    """Return one line per entry, stage and verdict."""
    lines = []
    for label, these in verdicts.items():
        for stage, verdict in dict.fromkeys((each.stage, each.verdict) for each in these):
            alike = [each for each in these if (each.stage, each.verdict) == (stage, verdict)]
            lines.append(
                VerdictLine(
                    label,
                    stage,
                    verdict,
                    alike[0].sentence,
                    tuple(each.seed for each in alike),
                    tuple(each.best_epoch for each in alike),
                    tuple(each.epochs for each in alike),
                )
            )
    return tuple(lines)


def convergence_brief(verdicts: Mapping[str, Sequence[StageVerdict]]) -> tuple[str, tuple[str, ...]]:
    """Return a heading and one short line for every stage that had not converged, or whose curve is too short."""
    lines = verdict_table(verdicts)
    found = {line.verdict for line in lines}
    doubtful = tuple(
        f"{line.label}, {line.stage}: {BRIEF.get(line.verdict, line.sentence)} "
        f"(seed{'s' if len(line.seeds) > 1 else ''} {listed([str(seed) for seed in line.seeds])})"
        for line in lines
        if line.verdict != "flat"
    )
    if not lines:
        return "Convergence unknown", ("The entries carry no learning curves.",)
    if not doubtful:
        return "Converged", ("Every stage of everything that was trained had a flat validation curve at its end.",)
    if found & {"rising", "falling"}:
        return "Not everything had converged", doubtful
    return ("Convergence partly unknown" if "flat" in found else "Convergence unknown"), doubtful

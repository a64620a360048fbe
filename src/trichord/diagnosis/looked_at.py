"""The main numbers of a run, listed whether they are suspicious or not."""

from __future__ import annotations

from collections.abc import Iterator

from trichord.diagnosis.facts import Facts
from trichord.diagnosis.finding import Evidence


def list_looked_at(facts: Facts) -> tuple[Evidence, ...]:
    """Return one line per number, and one for each thing that could not be looked at."""
    return tuple(_lines(facts))


def _lines(facts: Facts) -> Iterator[Evidence]:
    yield Evidence("recipe, order, state", f"{facts.recipe}, {facts.order}, {facts.state}")
    if not facts.scores:
        yield Evidence("scores", "none", "name a split to measure on")
    for score in facts.scores:
        value = f"{score.value:.3g} [{score.low:.3g}, {score.high:.3g}]"
        yield Evidence(f"{facts.measured}: {score.task} {score.metric}", value, f"chance {score.chance:.3g}")
    if facts.weights is None:
        yield Evidence("weights", "none", "the run has no finished model")
    elif facts.weights.started_from is not None:
        why = f"the weights it started from, {facts.weights.started_from}, are not kept"
        yield Evidence("change of the weights", "unknown", why)
    else:
        for encoder in facts.weights.encoders:
            if encoder.relative_change is not None:
                yield Evidence(f"{encoder.modality}: change of the weights", encoder.relative_change, "initially 0")
    for m in facts.modalities:
        for side in (m.trained, m.evaluated):
            if side is not None:
                yield Evidence(f"{m.modality}, {side.where}: median length", side.lengths[0])
    for w in facts.words:
        for coverage in (w.trained, w.evaluated):
            if coverage is not None:
                share = "not counted" if coverage.share is None else coverage.share
                yield Evidence(f"{w.modality}, {coverage.where}: share of known words", share)
    for stage in facts.stages:
        yield Evidence(f"stage {stage.name}: epochs, learning rate", f"{stage.epochs_done}, {stage.learning_rate:g}")
        where = "validation" if stage.validates else "loss, without validation"
        yield Evidence(f"stage {stage.name}: verdict on {where}", stage.convergence.sentence)

"""Was training long enough, and did later epochs undo what earlier ones had learnt?"""

from __future__ import annotations

from trichord.diagnosis.check_rate import loss_trend
from trichord.diagnosis.estimate import epochs_needed
from trichord.diagnosis.facts import Facts, StageFacts
from trichord.diagnosis.finding import Evidence, Finding, Severity

# Below this share of the epochs of the recipe, or of the run compared with.
CUT = 0.5
# With so few validation points nothing can be said of their trend.
FEW_POINTS = 6
# The kept value, as a share of the best that the run ever had on validation.
LOST_WARNING, LOST_CAUSE = 0.8, 0.5


def check_warm_up(facts: Facts) -> Finding | None:
    """The warm-up is longer than the stage, whose epochs are many enough."""
    for stage in facts.stages:
        steps = stage.num_steps
        if not steps or stage.warmup_steps <= steps or is_cut(stage) or stage.epochs < FEW_POINTS:
            continue
        return Finding(
            "warm-up",
            "cause",
            f"Check first warmup_steps, {stage.warmup_steps} in stage {stage.name}: the stage has {steps} steps, so "
            f"the learning rate never reached its peak of {stage.learning_rate:g}.",
            (Evidence(f"stage {stage.name}: steps", steps, f"several times {stage.warmup_steps}"),),
        )
    return None


def check_epochs(facts: Facts) -> Finding | None:
    """The run is much shorter than usual, or its curve still rises where it ends."""
    for stage in facts.stages:
        verdict = stage.convergence.verdict
        few = len(stage.validation_epochs) < FEW_POINTS and stage.epochs < FEW_POINTS
        cut = is_cut(stage) and verdict not in ("flat", "falling")
        if not (cut or verdict == "rising" or (few and facts.poor)):
            continue
        severity: Severity = "cause" if facts.poor or is_cut(stage) else "warning"
        refit = stage.stopped_early and not stage.validates
        return Finding(
            "too few epochs",
            "warning" if refit else severity,
            f"Check first the number of epochs: stage {stage.name} ran {_counted(stage.epochs_done)}{_usual(stage)}"
            f"{_still(stage, verdict)}{_needed(stage)}.",
            tuple(e for one in facts.stages for e in _evidence(one)),
        )
    return None


def check_lost(facts: Facts) -> Finding | None:
    """The weights that were kept are much worse on validation than an earlier epoch of the same run."""
    for stage in facts.stages:
        if stage.keep != "last" or len(stage.validation) < 2:
            continue
        best, last = max(stage.validation), stage.validation[-1]
        if best <= 0 or last >= LOST_WARNING * best:
            continue
        epoch = stage.validation_epochs[stage.validation.index(best)]
        return Finding(
            "lost again",
            "cause" if last < LOST_CAUSE * best else "warning",
            f"Check first which epoch is kept: stage {stage.name} kept its last, with {stage.validation_metric} "
            f"{last:.3g} on validation, and had {best:.3g} after epoch {epoch}; set keep to best, or lower the "
            "learning rate.",
            tuple(_evidence(stage)),
        )
    return None


def is_cut(stage: StageFacts) -> bool:
    """Whether a stage has less than half the epochs of the recipe, or of the run compared with."""
    return stage.usual_epochs is not None and stage.epochs < CUT * stage.usual_epochs


def _counted(epochs: int) -> str:
    return "1 epoch" if epochs == 1 else f"{epochs} epochs"


def _usual(stage: StageFacts) -> str:
    return f" where {stage.usual_epochs} are usual" if is_cut(stage) else ""


def _still(stage: StageFacts, verdict: str) -> str:
    if verdict == "rising":
        return ", and validation was still rising" if stage.validates else ", and the loss was still falling"
    steps = stage.num_steps
    if steps and steps < stage.warmup_steps:
        return f", and its {steps} steps are fewer than the {stage.warmup_steps} of the warm-up"
    trend = loss_trend(stage)
    return ", and the loss was still falling" if trend is not None and trend.last < trend.first else ""


def _needed(stage: StageFacts) -> str:
    if not stage.validates:
        return ""
    needed = epochs_needed(stage.validation_epochs, stage.validation)
    if needed is None or needed <= stage.epochs_done:
        return ""
    return f"; an exponential through its curve would need about {needed} (an estimate)"


def _evidence(stage: StageFacts) -> list[Evidence]:
    usual = "" if stage.usual_epochs is None else f"usually {stage.usual_epochs}"
    found = [Evidence(f"stage {stage.name}: epochs", stage.epochs_done, usual)]
    if stage.steps_per_epoch:
        found.append(Evidence(f"stage {stage.name}: steps", stage.num_steps, f"warm-up {stage.warmup_steps}"))
    trend = loss_trend(stage)
    if trend is not None:
        found.append(Evidence(f"stage {stage.name}: loss, first to last", f"{trend.first:.4g} to {trend.last:.4g}"))
    if stage.validation:
        chance = "" if stage.validation_chance is None else f"chance {stage.validation_chance:.3g}"
        what = f"stage {stage.name}: {stage.validation_metric} on validation, first to last"
        found.append(Evidence(what, f"{stage.validation[0]:.3g} to {stage.validation[-1]:.3g}", chance))
    found.append(Evidence(f"stage {stage.name}: verdict on its curve", stage.convergence.sentence))
    return found

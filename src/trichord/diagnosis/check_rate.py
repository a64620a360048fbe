"""Was the learning rate right? Loss, gradients and how far the weights went."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from trichord.diagnosis.facts import EncoderFacts, Facts, StageFacts
from trichord.diagnosis.finding import Evidence, Finding

# Loss of the last tenth of a stage against its first steps; gradient norm of its last third against them.
LOSS_RISE, GRADIENT_RISE = 1.5, 100.0
# Weights many times their initial size: the first steps threw them there. Runs of the recipes here end below 3.
WEIGHT_GROWTH = 20.0
# Times the learning rate of the recipe, or of the run compared with.
FAR_FROM_USUAL = 30.0
# Learning rate times steps: the furthest that Adam moves a weight. Below a third of the initial size of the weights,
# the model is still nearly the random one. Asked only where the loss hardly moved, by less than a tenth.
LEAST_REACH, LOSS_FALL = 0.3, 0.1
# With fewer steps than this it is the epochs that are too few.
ENOUGH_STEPS = 50
FIRST_STEPS = 3
_BROKEN = re.compile(r"not finite|NaN|infinit|vector of item row \S+ is zero")


@dataclass(frozen=True)
class LossTrend:
    """Median loss and gradient norm of the first steps, and of the last ones."""

    first: float
    last: float
    first_gradient: float
    last_gradient: float

    @property
    def fall(self) -> float:
        """Share of its first value by which the loss fell; below 0 where it rose."""
        return (self.first - self.last) / max(abs(self.first), 1e-12)


def loss_trend(stage: StageFacts) -> LossTrend | None:
    """Compare the first `FIRST_STEPS` logged steps with the last tenth (gradients: third); None below two steps."""
    number = len(stage.losses)
    if number < 2:
        return None
    first = min(FIRST_STEPS, number // 2)
    return LossTrend(
        float(np.median(stage.losses[:first])),
        float(np.median(stage.losses[-max(first, number // 10) :])),
        float(np.median(stage.gradient_norms[:first])),
        float(np.median(stage.gradient_norms[-max(first, number // 3) :])),
    )


def check_too_high(facts: Facts) -> Finding | None:
    """Training broke down, the loss or the gradients rose, or the weights were thrown far away."""
    broke = facts.state == "failed" and bool(_BROKEN.search(facts.error or ""))
    signs: list[tuple[StageFacts, str]] = []
    for number, stage in enumerate(facts.stages):
        last = number == len(facts.stages) - 1
        reasons = [*_breaks(stage, broke and last), *_grown(facts, stage)]
        signs += [(stage, reason) for reason in reasons]
    if broke and not facts.stages:
        return None
    raised = [stage for stage in facts.stages if _times_usual(stage) >= FAR_FROM_USUAL]
    if not signs and not raised:
        return None
    stage, reason = signs[0] if signs else (raised[0], f"it is {_times_usual(raised[0]):,.0f} times the usual one")
    return Finding(
        "learning rate too high",
        "cause" if signs or facts.poor else "warning",
        f"Check first the learning rate, {stage.learning_rate:g} in stage {stage.name}: it is probably too high, "
        f"for {reason}.",
        tuple(e for one in facts.stages for e in _evidence(facts, one)),
    )


def check_too_low(facts: Facts) -> Finding | None:
    """The loss hardly moved, for the rate lets the weights go nowhere, or is far below the usual one."""
    for stage in facts.stages:
        trend, reach = loss_trend(stage), reach_of(facts, stage)
        if trend is None or not -LOSS_FALL < trend.fall < LOSS_FALL:
            continue
        below = 0 < _times_usual(stage) <= 1 / FAR_FROM_USUAL
        short = reach is not None and reach < LEAST_REACH and stage.num_steps >= ENOUGH_STEPS
        if not below and not short:
            continue
        compared = f"{1 / _times_usual(stage):,.0f} times below the usual one" if below else ""
        far = "" if reach is None else f"so that no weight can move by more than {reach:.2g} of its initial size"
        why = ", ".join(part for part in (compared, far) if part)
        return Finding(
            "learning rate too low",
            "cause",
            f"Check first the learning rate, {stage.learning_rate:g} in stage {stage.name}: it is too low, {why}, and "
            f"the loss stayed at {trend.last:.3g} from {trend.first:.3g}.",
            tuple(e for one in facts.stages for e in _evidence(facts, one)),
        )
    return None


def reach_of(facts: Facts, stage: StageFacts) -> float | None:
    """Return learning rate times steps, in units of the initial size of the largest weights that learn.

    None where no step was logged, or the run went on from weights that are not kept.
    """
    sizes = [encoder.start_rms for encoder in _encoders(facts, stage) if encoder.start_rms]
    return stage.learning_rate * stage.num_steps / max(sizes) if sizes and stage.num_steps else None


def _breaks(stage: StageFacts, broke: bool) -> list[str]:
    trend = loss_trend(stage)
    reasons = ["training broke down with numbers that are zero or not finite"] if broke else []
    if trend is not None and trend.last > LOSS_RISE * trend.first > 0:
        reasons.append(f"the loss rose from {trend.first:.3g} to {trend.last:.3g}")
    if trend is not None and trend.last_gradient > GRADIENT_RISE * trend.first_gradient:
        reasons.append(f"the gradient norm rose from {trend.first_gradient:.3g} to {trend.last_gradient:.3g}")
    return reasons


def _grown(facts: Facts, stage: StageFacts) -> list[str]:
    growths = [(e.modality, e.growth) for e in _encoders(facts, stage) if e.growth is not None]
    grown = [
        f"the weights of the {name} encoder grew {times:.3g}-fold" for name, times in growths if times > WEIGHT_GROWTH
    ]
    return grown[:1]


def _encoders(facts: Facts, stage: StageFacts) -> tuple[EncoderFacts, ...]:
    return () if facts.weights is None else tuple(e for e in facts.weights.encoders if e.modality in stage.train)


def _times_usual(stage: StageFacts) -> float:
    usual = stage.usual_learning_rate
    return 1.0 if not usual else stage.learning_rate / usual


def _evidence(facts: Facts, stage: StageFacts) -> list[Evidence]:
    usual = stage.usual_learning_rate
    rate = Evidence(
        f"stage {stage.name}: learning rate", stage.learning_rate, "" if usual is None else f"usually {usual:g}"
    )
    found, trend = [rate], loss_trend(stage)
    if trend is not None:
        found += [
            Evidence(f"stage {stage.name}: loss of the first steps", trend.first),
            Evidence(f"stage {stage.name}: loss of the last steps", trend.last, "clearly lower"),
            Evidence(f"stage {stage.name}: gradient norm of the first steps", trend.first_gradient),
            Evidence(f"stage {stage.name}: gradient norm of the last steps", trend.last_gradient),
        ]
    reach = reach_of(facts, stage)
    if reach is not None:
        what = f"stage {stage.name}: learning rate times steps, in units of the initial weights"
        found.append(Evidence(what, reach, f"above {LEAST_REACH:g}"))
    small = f"below {WEIGHT_GROWTH:g}"
    found += [
        Evidence(f"{e.modality}: size of the weights, in units of the initial one", e.growth, small)
        for e in _encoders(facts, stage)
        if e.growth is not None
    ]
    return found

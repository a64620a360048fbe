"""Are the features those the model knows? Scale, centre, recorded lengths, decibels, zero vectors."""

from __future__ import annotations

import numpy as np

from trichord.diagnosis.facts import Facts, FeatureFacts, ModalityFacts
from trichord.diagnosis.finding import Evidence, Finding, Severity

# Median lengths and spreads of samples of one population agree within a few percent.
SCALE_FACTOR = 2.0
# Root mean square over the features of (mean where measured - mean where trained) / deviation where trained. Two
# samples of 256 from one population give 0.09. Another collection of videos, known by its name, may well give 1 though
# the features come from the same network; 1.4 was measured on generated files.
LARGE_SHIFT, SHIFT_ELSEWHERE, SHIFT = 2.0, 1.5, 0.5
# A feature this much narrower than the others does not vary where it was trained; its ratio would say nothing.
SPREAD_FLOOR = 1e-3
ZERO_CAUSE, ZERO_WARNING = 0.2, 0.01
# Encoders that take vectors as they are were made for lengths about 1; pooled activations of networks reach some tens.
LONGEST, SHORTEST = 100.0, 0.01
UNEVEN = 0.01
# log-mel in decibels below the loudest is 0 at most and -80 where cut off.
LOUDEST_DB, QUIETEST_DB, POSITIVE = 1.0, -120.0, 0.01


def check_scale(facts: Facts) -> Finding | None:
    """Features are longer, or spread wider, where the model is measured than where it was trained."""
    found = [(m, *_ratios(m.trained, m.evaluated)) for m in facts.modalities if m.evaluated is not None]
    wrong = [(m, lengths, spread) for m, lengths, spread in found if _off(lengths) or _off(spread)]
    if not wrong:
        return None
    modality, lengths, spread = max(wrong, key=lambda entry: max(abs(np.log(entry[1])), abs(np.log(entry[2]))))
    assert modality.evaluated is not None
    worst = lengths if abs(np.log(lengths)) > abs(np.log(spread)) else spread
    names = " and ".join(m.modality for m, _, _ in wrong)
    direction = f"{worst:.3g} times as large" if worst > 1 else f"{1 / worst:.3g} times as small"
    evidence: list[Evidence] = []
    for m, ratio, spread in wrong:
        assert m.evaluated is not None
        evidence += [_lengths(m, m.trained), _lengths(m, m.evaluated)]
        evidence += [
            Evidence(f"{m.modality}: ratio of lengths", ratio, f"between {1 / SCALE_FACTOR:g} and {SCALE_FACTOR:g}"),
            Evidence(
                f"{m.modality}: ratio of deviations", spread, f"between {1 / SCALE_FACTOR:g} and {SCALE_FACTOR:g}"
            ),
        ]
    return Finding(
        "feature normalisation",
        "cause",
        f"Check first how the {names} features were normalised: those of {modality.evaluated.where} are {direction} as "
        f"those of {modality.trained.where}, which the model learnt from.",
        tuple(evidence),
    )


def check_recorded_lengths(facts: Facts) -> Finding | None:
    """A data set says that its vectors are one long, and they are not."""
    places = [(m, side) for m in facts.modalities for side in (m.evaluated, m.trained) if side is not None]
    wrong = [(m, side) for m, side in places if side.unit and side.uneven > UNEVEN]
    if not wrong:
        return None
    modality, side = wrong[0]
    return Finding(
        "feature normalisation",
        "cause",
        f"Check first how the {modality.modality} features were normalised: {side.where} says that every "
        f"{'stream' if len(side.blocks) > 1 else 'vector'} is one long, and {side.uneven:.0%} of its vectors are not.",
        tuple(_lengths(m, s) for m, s in wrong),
    )


def check_decibels(facts: Facts) -> Finding | None:
    """Spectrograms that are not in decibels below their maximum."""
    for m in facts.modalities:
        if not m.log_mel:
            continue
        sides = [side for side in (m.evaluated, m.trained) if side is not None and _not_decibels(side)]
        if not sides:
            continue
        side = sides[0]
        like = "linear power" if side.lowest >= 0 else "another reference or unit"
        only = m.evaluated is not None and sides == [m.evaluated]
        return Finding(
            "feature normalisation",
            "cause" if only or facts.poor else "warning",
            f"Check first the unit of the {m.modality} spectrograms: those of {side.where} reach from "
            f"{side.lowest:.4g} to {side.highest:.4g}, which is {like}, where log-mel in decibels lies in about "
            "[-80, 0].",
            tuple(
                Evidence(f"{m.modality}, {s.where}: lowest, highest, share above 0", _extremes(s), "-80, 0, 0 %")
                for s in (m.trained, m.evaluated)
                if s is not None
            ),
        )
    return None


def check_shift(facts: Facts) -> Finding | None:
    """Features are centred elsewhere than where the model was trained, by more than another collection explains."""
    elsewhere = facts.measured_data != facts.given_data
    limit = SHIFT_ELSEWHERE if elsewhere else SHIFT
    pairs = [(m, m.evaluated) for m in facts.modalities if m.evaluated is not None]
    shifts = [(m, side, mean_shift(m.trained, side)) for m, side in pairs]
    wrong = [entry for entry in shifts if entry[2] > limit]
    if not wrong:
        return None
    modality, side, shift = max(wrong, key=lambda entry: entry[2])
    severity: Severity = "cause" if shift > LARGE_SHIFT else "warning"
    return Finding(
        "feature normalisation",
        severity,
        f"Check first whether the {modality.modality} features come from the same network and the same preparation: "
        f"those of {side.where} lie {shift:.2g} standard deviations away from those of {modality.trained.where}.",
        tuple(
            Evidence(f"{m.modality}: shift of the mean, in standard deviations", value, f"below {limit:g}")
            for m, _, value in shifts
        ),
    )


def check_zeros(facts: Facts) -> Finding | None:
    """Vectors that are all zero, or not finite: missing values that were not left out."""
    places = [(m, side) for m in facts.modalities for side in (m.evaluated, m.trained) if side is not None]
    wrong = [(m, side) for m, side in places if side.zero + side.not_finite > ZERO_WARNING]
    if not wrong:
        return None
    modality, side = max(wrong, key=lambda entry: entry[1].zero + entry[1].not_finite)
    share = side.zero + side.not_finite
    return Finding(
        "empty features",
        "cause" if share > ZERO_CAUSE else "warning",
        f"Check first the extraction of the {modality.modality} features: {share:.0%} of the vectors of {side.where} "
        "are zero or not finite; leave such items out as missing.",
        tuple(
            Evidence(f"{m.modality}, {s.where}: share of zero vectors", s.zero, f"below {ZERO_WARNING:g}")
            for m, s in wrong
        ),
    )


def check_plain_scale(facts: Facts) -> Finding | None:
    """Vectors far from length one where the encoder takes its input as it is."""
    plain = [m for m in facts.modalities if m.kind == "pooled" and not m.standardized]
    wrong = [m for m in plain if not all(SHORTEST < length < LONGEST for length in m.trained.lengths)]
    if not wrong:
        return None
    m = wrong[0]
    return Finding(
        "feature normalisation",
        "cause" if facts.poor else "warning",
        f"Check first how the {m.modality} features were normalised: their length is about {m.trained.lengths[0]:.3g}, "
        "and the encoder takes them as they are; bring them to length one, or set standardize.",
        tuple(_lengths(m, m.trained) for m in wrong),
    )


def mean_shift(trained: FeatureFacts, evaluated: FeatureFacts) -> float:
    """Return the root mean square over the features of the shift of the mean, in deviations where it was trained."""
    scale = np.maximum(trained.deviation, SPREAD_FLOOR * _rms(trained.deviation))
    if not scale.all():
        return 0.0 if np.array_equal(trained.mean, evaluated.mean) else float("inf")
    return _rms((evaluated.mean - trained.mean) / scale)


def _ratios(trained: FeatureFacts, evaluated: FeatureFacts | None) -> tuple[float, float]:
    """Return the ratio of lengths (that of the part where it is furthest from 1) and of deviations (their median)."""
    assert evaluated is not None
    lengths = [b / a for a, b in zip(trained.lengths, evaluated.lengths, strict=True) if a > 0 and b > 0]
    varies = trained.deviation > SPREAD_FLOOR * _rms(trained.deviation)
    spread = evaluated.deviation[varies] / trained.deviation[varies]
    middle = float(np.median(spread)) if len(spread) else 1.0
    return max(lengths, key=lambda ratio: abs(np.log(ratio)), default=1.0), max(middle, 1e-6)


def _off(ratio: float) -> bool:
    return not 1 / SCALE_FACTOR < ratio < SCALE_FACTOR


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _not_decibels(side: FeatureFacts) -> bool:
    return (side.positive > POSITIVE and side.highest > LOUDEST_DB) or side.lowest >= 0 or side.lowest < QUIETEST_DB


def _extremes(side: FeatureFacts) -> str:
    return f"{side.lowest:.4g}, {side.highest:.4g}, {side.positive:.0%}"


def _lengths(m: ModalityFacts, side: FeatureFacts) -> Evidence:
    shown = ", ".join(f"{name} {length:.4g}" for name, length in zip(side.blocks, side.lengths, strict=True))
    said = "1, as the data set says" if side.unit else ""
    return Evidence(f"{m.modality}, {side.where}: median length over {side.instances} instances", shown, said)

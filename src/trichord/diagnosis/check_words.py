"""Are the words of the captions known?"""

from __future__ import annotations

from trichord.diagnosis.facts import CoverageFacts, Facts
from trichord.diagnosis.finding import Evidence, Finding

# The published word vectors lack "a", "of", "and" and "to", which are 14 % of the words of AudioCaps, 15 % of YouCook2
# and 22 % of MSR-VTT: captions with every other word known reach 78 to 86 %. Below one half, a sentence has lost what
# it is about.
COVERAGE_CAUSE, COVERAGE_WARNING = 0.5, 0.7
# Coverage where the model is measured, below that where it was trained.
COVERAGE_DROP = 0.15
# Captions that had to be left out because no word of theirs is known.
WORDLESS_CAUSE, WORDLESS_WARNING = 0.2, 0.02


def check_coverage(facts: Facts) -> Finding | None:
    """Many words have no vector, or many captions none that has."""
    found = [(w.modality, side) for w in facts.words for side in (w.evaluated, w.trained) if side is not None]
    evidence = tuple(e for modality, side in found for e in _evidence(modality, side))
    poor = [(name, side) for name, side in found if _share(side) < COVERAGE_CAUSE or _lost(side) > WORDLESS_CAUSE]
    thin = [(name, side) for name, side in found if _share(side) < COVERAGE_WARNING or _lost(side) > WORDLESS_WARNING]
    if not poor and not thin:
        return None
    name, side = min(poor or thin, key=lambda entry: _share(entry[1]))
    left_out = f", and {side.wordless} captions were left out because none of theirs has" if side.wordless else ""
    known = "" if side.share is None else f"only {side.share:.0%} of the words in {side.where} have a word vector"
    return Finding(
        "vocabulary",
        "cause" if poor else "warning",
        f"Check first the vocabulary of the captions ({name}): {known or 'words of ' + side.where + ' are unknown'}"
        f"{left_out}; look at tokenizer, language and upper case.",
        evidence,
    )


def check_coverage_drop(facts: Facts) -> Finding | None:
    """Fewer words are known where the model is measured than where it was trained."""
    for w in facts.words:
        here, there = w.trained.share, None if w.evaluated is None else w.evaluated.share
        if here is None or there is None or w.evaluated is None or here - there <= COVERAGE_DROP:
            continue
        return Finding(
            "vocabulary",
            "warning",
            f"Check first the vocabulary of the captions ({w.modality}): {there:.0%} of the words in "
            f"{w.evaluated.where} have a word vector, against {here:.0%} in {w.trained.where}.",
            (*_evidence(w.modality, w.trained), *_evidence(w.modality, w.evaluated)),
        )
    return None


def _share(side: CoverageFacts) -> float:
    return 1.0 if side.share is None else side.share


def _lost(side: CoverageFacts) -> float:
    return side.wordless / max(side.captions + side.wordless, 1)


def _evidence(modality: str, side: CoverageFacts) -> tuple[Evidence, ...]:
    share: float | str = "not counted" if side.share is None else side.share
    return (
        Evidence(f"{modality}, {side.where}: share of {side.tokens} words known", share, f"above {COVERAGE_WARNING:g}"),
        Evidence(f"{modality}, {side.where}: captions left out without a known word", side.wordless, "few"),
    )

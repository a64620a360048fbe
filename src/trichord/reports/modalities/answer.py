"""The answer in one sentence that claims no more than was shown."""

from __future__ import annotations

from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import METRIC, Difference
from trichord.reports.modalities.weights import FittedWeights
from trichord.reports.numbers import listed, show_p, show_signed

UNDECIDED = "no difference can be shown"


def write_answer(
    question: Question, fitted: FittedWeights, validation: str, weighted: Difference | None, summed: Difference | None
) -> str:
    """Say what adding the further modalities does.

    Args:
        question: what is added to what.
        fitted: the weights of the weighted scores.
        validation: what they were fitted on, in short.
        weighted: weighted scores against the first modality alone; None where the fitted weight is 0 and they are the
            same.
        summed: the plain sum against the first modality alone.
    """
    added, first = listed(question.added), question.first
    if weighted is None:
        found = f"Adding {added} to {first} is not worth it on {validation}: the best weight there is 0"
        if summed is None:
            return f"{found}."
        verdict = _verdict(summed, added)
        return f"{found}; summed all the same it changes {METRIC} by {_numbers(summed)}: {verdict}."
    if fitted.weights[first] == 0:
        lead = f"Taking {added} instead of {first} (the best weight on {validation} is 1)"
    else:
        lead = f"Adding {added} to {first} (weight {fitted.of_added:.2f}, fitted on {validation})"
    return f"{lead} changes {METRIC} by {_numbers(weighted)}: {_verdict(weighted, added)}."


def _numbers(difference: Difference) -> str:
    value, low, high = (show_signed(METRIC, v) for v in (difference.difference, difference.low, difference.high))
    return f"{value} points [{low}, {high}], adjusted {show_p(difference.p_holm)}"


def _verdict(difference: Difference, added: str) -> str:
    if not difference.significant or difference.difference == 0:
        return UNDECIDED
    better = difference.difference > 0
    verdict = f"{added} {'helps' if better else 'hurts'}"
    surely = difference.low > 0 if better else difference.high < 0
    return verdict if surely else f"{verdict} in these very models, while models of new seeds might differ"

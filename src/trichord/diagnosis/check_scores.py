"""What is bad, not why: scores beside chance, beside the run's own validation, and beside another run."""

from __future__ import annotations

from collections.abc import Sequence

from trichord.diagnosis.facts import Facts
from trichord.diagnosis.finding import Evidence, Finding
from trichord.diagnosis.score_facts import AgainstFacts, ScoreFacts, near_chance

# Shares of the way from chance to perfect: the run had learnt something on validation, and a quarter of that or less
# is left where it is measured.
LEARNT, LEFT = 0.1, 0.25
SIGNIFICANT = 0.05
SHOWN = 8


def check_failed(facts: Facts) -> Finding | None:
    """The run stopped with an error, or has not come to its end."""
    if facts.state == "failed":
        sentence = f"Mend first what stopped the run: {facts.error}."
        return Finding("state", "cause", sentence.replace("..", "."), (Evidence("state", facts.state, "finished"),))
    if facts.state != "finished":
        sentence = f"Let the run finish first: its state is {facts.state!r}."
        return Finding("state", "warning", sentence, (Evidence("state", facts.state, "finished"),))
    return None


def check_data(facts: Facts) -> Finding | None:
    """The data that were given as those of the run have another name."""
    if facts.recorded_data == facts.given_data:
        return None
    return Finding(
        "data",
        "warning",
        f"Check first which data you named: the run learnt from {facts.recorded_data!r}, and what it is said to have "
        f"learnt from is {facts.given_data!r}.",
        (Evidence("name of the data", facts.given_data, facts.recorded_data),),
    )


def check_measuring(facts: Facts) -> Finding | None:
    """Scores were at chance although validation was not: the fault is not in training."""
    if not facts.poor or not facts.scores or not facts.stages:
        return None
    stage = facts.stages[-1]
    chance = stage.validation_chance
    if chance is None or not stage.validation:
        return None
    perfect = 1.0 if stage.validation_metric == "MRR" else 100.0
    learnt = (max(stage.validation) - chance) / (perfect - chance)
    left = max((s.deciding - s.deciding_chance) / (perfect - s.deciding_chance) for s in facts.scores)
    if learnt < LEARNT or left > LEFT * learnt:
        return None
    return Finding(
        "measured otherwise than validated",
        "warning",
        "Check first what is measured, not how it was trained: on validation the run reached "
        f"{stage.validation_metric} {max(stage.validation):.3g} (chance {chance:.3g}), and "
        f"{facts.measured} is at chance; look at the features "
        "there and at the weights that were loaded.",
        tuple(_score(score) for score in facts.scores[:SHOWN]),
    )


def check_chance(facts: Facts) -> Finding | None:
    """Scores at chance level, collapsed vectors, or a model that cannot be measured."""
    if facts.measuring_failed:
        return Finding(
            "score", "symptom", f"The model cannot be measured: {facts.measuring_failed}.".replace("..", ".")
        )
    collapsed = [score for score in facts.scores if score.collapsed]
    bad = [score for score in facts.scores if near_chance(score) or score.collapsed]
    if not bad:
        return None
    tasks = ", ".join(score.task for score in bad)
    what = f"its vectors have collapsed ({collapsed[0].collapsed})" if collapsed else "the score is at or near chance"
    every = "every task" if len(bad) == len(facts.scores) else tasks
    return Finding(
        "score",
        "symptom" if facts.poor else "note",
        f"On {facts.measured}, {what} for {every}.",
        tuple(_score(score) for score in (*bad, *(s for s in facts.scores if s not in bad))[:SHOWN]),
    )


def check_against(facts: Facts) -> Finding | None:
    """Settings that differ from those of another run, and whether this one is worse."""
    against = facts.against
    if against is None:
        return None
    worse = [task for task in against.tasks if task.high < 0 and task.p < SIGNIFICANT]
    differ = ", ".join(_settings(against)[:SHOWN])
    same = f"the settings are the same as in {against.run}"
    said = f"against {against.run} these settings differ: {differ}" if differ else same
    names = ", ".join(task.task for task in worse)
    if worse and differ:
        sentence = f"Check first the settings that differ from {against.run}, which is better on {names}: {differ}."
    elif worse:
        sentence = f"This run is worse than {against.run} on {names}, though {same}: look at the data and the seed."
    else:
        sentence = f"{said[:1].upper()}{said[1:]}{'; ' + against.not_compared if against.not_compared else ''}."
    return Finding("against another run", "warning" if worse else "note", sentence, tuple(_compared(against)))


def _settings(against: AgainstFacts) -> list[str]:
    return [f"{path} {here} here, {there} there" for path, (here, there) in against.settings.items()]


def _compared(against: AgainstFacts) -> Sequence[Evidence]:
    return [
        Evidence(
            f"{t.task} {t.metric}: here, there",
            f"{t.here:.3g}, {t.there:.3g}",
            f"difference in [{t.low:.3g}, {t.high:.3g}], p {t.p:.2g}",
        )
        for t in against.tasks
    ]


def _score(score: ScoreFacts) -> Evidence:
    what = f"{score.task} {score.metric}, {score.num_queries} queries"
    return Evidence(what, f"{score.value:.3g} [{score.low:.3g}, {score.high:.3g}]", f"chance {score.chance:.3g}")

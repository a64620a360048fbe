"""What the gate of every edge did among the finished trials."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from trichord.graphs.node_rules import LABEL
from trichord.graphs.words import gate_word
from trichord.reports.graphs.lines import Importance
from trichord.studies.graphs.space import SearchSpace
from trichord.studies.graphs.trial import TrialRecord


def gate_importance(
    space: SearchSpace, records: Sequence[TrialRecord], shares: Mapping[str, float]
) -> tuple[Importance, ...]:
    """Return for every label edge and edge the mean validation value of the finished trials with each gate.

    Only trials that were trained to their end count: where trials are pruned, those that are left are the better ones,
    and a gate that few of them have did worse than its mean says.

    Args:
        space: the graphs.
        records: the trials.
        shares: parameter -> importance by the sampler's framework, as far as known.
    """
    labels = [(f"label {name}", f"{LABEL} -> {name}", space.label_gates) for name in space.networks]
    edges = [(f"gate {s}>{t}", f"{s} -> {t}", space.gates) for s, t in space.edges]
    found = []
    for parameter, edge, gates in (*labels, *edges):
        if len(gates) < 2:
            continue
        values = defaultdict(list)
        for record in records:
            if record.value is not None and record.state == "finished":
                values[record.drawn[parameter]].append(record.value)
        seen = [word for word in map(gate_word, gates) if word in values]
        found.append(
            Importance(
                edge=edge,
                gates={word: sum(values[word]) / len(values[word]) for word in seen},
                counts={word: len(values[word]) for word in seen},
                share=shares.get(parameter),
            )
        )
    return tuple(found)

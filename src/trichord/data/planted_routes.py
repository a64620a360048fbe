"""Which route must win each task on a planted corpus, reasoned from its settings before anything is trained.

The reasoning goes on from that of `trichord.data.winners`: a joint space of D dimensions holds at most D attributes, a
task sees those that both of its sides take part in, and its score is the information of these, less what vectors of
unit length pay for the others.

Whether an adapter is needed. A base that learns all pairs at once holds the D worthiest attributes of all of them. A
task of one pair then misses the attributes of its pair that others have crowded out, and pays for those that only
others use. An adapter of this pair adds a matrix of rank r to each of the two heads. One rank can make one direction of
the joint space read another attribute than it did: let go one that the task does not use, take one that was crowded
out. So an adapter of rank r exchanges r attributes at the least (more, where the two heads let go different ones), and
a pair needs about as many as the base holds for others only: some ten of the 18 in the default corpus, where each pair
has a third or so, of which rank 8 undoes the most. An adapter is claimed when the score
after the exchange leads by `margin`. Where the base holds nothing else, nothing is exchanged, and the base is level.

What a side of several modalities uses. Its legs are scored apart. A leg that shares nothing with the other side adds
noise alone, and is claimed to be left out, by a weight of at most `LITTLE`: a validation split of a few hundred items
cannot tell a weight of 0.05 from 0. Two legs are claimed to be used, each by a weight of at least `MUCH`, where they
see different attributes and neither score is below half of the other. What lies between is left open, and so is a task
between modalities that share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from trichord.data.planted import PlantedConfig
from trichord.data.winners import Attribute, between, kept_attributes, list_attributes, score_kept
from trichord.modality import STANDARD, Pair, Task, all_tasks, spell_task

LITTLE, MUCH = 0.15, 0.25
_ORDER = "AVT"

CROWDED = PlantedConfig(num_items={"train": 1500, "val": 300, "test": 300})
"""As the default: every pair needs its adapter, and text shares as much with video as with audio."""

SILENT = PlantedConfig(
    num_items={"train": 600, "val": 500, "test": 500},
    attributes={"VT": 14, "VA": 14},
    strength={"VT": 1.5, "VA": 1.5},
)
"""Audio shares nothing with text, and crowds out half of what video shares with it. The items to learn from are few:
so the scores of text and audio, which are learnt by heart, are noise of a size that shows at once."""

TWO_SIDED = PlantedConfig(
    num_items={"train": 1500, "val": 300, "test": 300},
    attributes={"VT": 12, "AT": 12, "VA": 6},
    strength={"VT": 1.0, "AT": 1.0, "VA": 1.0},
)
"""Video and audio tell text different things, as much of them each."""

PLANTINGS: Mapping[str, PlantedConfig] = {"crowded": CROWDED, "silent": SILENT, "two-sided": TWO_SIDED}


@dataclass(frozen=True)
class PlantedRoute:
    """What the route of a task must be like.

    Args:
        task: spelled task.
        adapted: whether it must pass through an adapter that pulls a modality of the query towards one of the gallery;
            False where that is left open.
        used: names of the modalities, of a side of several, that must carry weight.
        left_out: those that must not.
    """

    task: str
    adapted: bool
    used: tuple[str, ...] = field(default=())
    left_out: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """The claim in words."""
        parts = ["through its own adapter"] if self.adapted else []
        parts += [f"with {' and '.join(self.used)}"] if self.used else []
        parts += [f"without {' and '.join(self.left_out)}"] if self.left_out else []
        return ", ".join(parts)


def planted_routes(
    config: PlantedConfig,
    pairs: Sequence[Pair] | None = None,
    rank: int = 8,
    dim: int | None = None,
    margin: float = 0.35,
) -> dict[str, PlantedRoute]:
    """Return task spelling -> what its route must be like; a task about which nothing is claimed is left out.

    Nothing is claimed where modalities are kept apart: the reasoning takes it that every pair can be learnt.

    Args:
        config: settings of the corpus.
        pairs: those that have an adapter; None: every two modalities. No adapter is claimed for a task that has none.
        rank: of the adapters.
        dim: width of the joint space; None means `config.joint_dim`.
        margin: the score with the adapter exceeds that of the base by at least this fraction.
    """
    found: dict[str, PlantedRoute] = {}
    if config.apart:
        return found
    for task in all_tasks(STANDARD):
        base, own = route_scores(config, task, rank, dim)
        best = max(base.values())
        used, left_out = _weighed(config, task, base)
        adapted = best > 0 and sum(own.values()) > (1 + margin) * sum(base.values()) and _has_adapter(task, pairs)
        if adapted or used or left_out:
            spelled = spell_task(task, STANDARD)
            found[spelled] = PlantedRoute(spelled, adapted, used, left_out)
    return found


def route_scores(
    config: PlantedConfig, task: Task, rank: int = 8, dim: int | None = None
) -> tuple[dict[Task, float], dict[Task, float]]:
    """Return leg -> its score, under the base, and under the adapter of its pair; see the module's text."""
    width = config.joint_dim if dim is None else dim
    everything = list_attributes(config)
    kept = kept_attributes(everything, _ORDER, width)
    legs = [Task((query,), (gallery,)) for query, gallery in product(task.query, task.gallery)]
    base = {leg: score_kept(kept, leg) for leg in legs}
    own = {leg: score_kept(exchanged(kept, everything, leg, rank), leg) for leg in legs}
    return base, own


def exchanged(kept: list[Attribute], everything: list[Attribute], leg: Task, rank: int) -> list[Attribute]:
    """Return what the space holds for a leg after its adapter has let go and taken in up to `rank` attributes."""

    def worth(attribute: Attribute) -> float:
        return between(attribute, leg.query, leg.gallery)

    def others(attribute: Attribute) -> float:
        return max(attribute.information(a, b) for a, b in product(attribute.modalities, repeat=2) if a != b)

    useless = sorted((entry for entry in kept if not worth(entry)), key=others, reverse=True)[:rank]
    missed = sorted((entry for entry in everything if entry not in kept and worth(entry)), key=worth, reverse=True)
    return [entry for entry in kept if entry not in useless] + missed[: len(useless)]


def _has_adapter(task: Task, pairs: Sequence[Pair] | None) -> bool:
    sides = (set(task.query), set(task.gallery))
    return pairs is None or any(
        (set(pair.left) <= one and set(pair.right) <= other) for pair in pairs for one, other in (sides, sides[::-1])
    )


def _weighed(config: PlantedConfig, task: Task, base: Mapping[Task, float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the modalities of a side of several that must carry weight, and those that must not."""
    best = max(base.values())
    if len(base) != 2 or best == 0:
        return (), ()
    wide = {leg: leg.gallery[0] if len(task.gallery) > 1 else leg.query[0] for leg in base}
    shared = {leg: sum(between(entry, leg.query, leg.gallery) for entry in list_attributes(config)) for leg in base}
    left_out = tuple(wide[leg] for leg in base if shared[leg] == 0)
    if left_out:
        return tuple(wide[leg] for leg in base if shared[leg] > 0), left_out
    return (tuple(wide.values()), ()) if min(base.values()) >= best / 2 else ((), ())

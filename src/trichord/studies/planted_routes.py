"""Were the chosen routes the planted ones? The verdict on a study of pairs on a planted corpus."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trichord.adapters.settings import BASE
from trichord.config import from_dict
from trichord.data import Dataset
from trichord.data.dataset import HEADER_FILE
from trichord.data.planted import LATER_FIELDS, PlantedConfig
from trichord.data.planted_routes import LITTLE, MUCH, PlantedRoute
from trichord.data.specification import read_header
from trichord.errors import ConfigError
from trichord.evaluation.route import RouteConfig
from trichord.modality import Modality
from trichord.runs.routes_file import Routes


@dataclass(frozen=True)
class RouteVerdict:
    """One task of a planted corpus.

    Args:
        planted: what the route had to be like, known before training.
        found: the route that validation chose, in words.
        unlike: what of the claim does not hold, in words; nothing where all of it does.
    """

    planted: PlantedRoute
    found: str
    unlike: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the route is the planted one."""
        return not self.unlike

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        outcome = "chosen" if self.holds else f"NOT chosen: {' and '.join(self.unlike)}"
        return f"{self.planted.task:<5} planted {self.planted.sentence}: {outcome} ({self.found})"


def judge_routes(
    routes: Routes, planted: Mapping[str, PlantedRoute], known: Sequence[Modality]
) -> tuple[RouteVerdict, ...]:
    """Hold chosen routes against the planted ones, on every task that has both."""
    return tuple(
        RouteVerdict(claim, routes.routes[task].describe(known), tuple(_unlike(routes, routes.routes[task], claim)))
        for task, claim in planted.items()
        if task in routes.routes
    )


def planted_config(dataset: Dataset) -> PlantedConfig | None:
    """Return the settings of a planted corpus, which stand in the notes of the data set; None for other data.

    A corpus written before a setting existed has the value that setting stands at where it changes nothing.
    """
    try:
        written = literal_eval(read_header(dataset.path / HEADER_FILE).notes)
    except (SyntaxError, ValueError):  # free text
        return None
    named = f"{PlantedConfig.__module__}.{PlantedConfig.__qualname__}"
    if not isinstance(written, dict) or written.get("config") != named:
        return None
    try:
        found: PlantedConfig = from_dict({**LATER_FIELDS, **written})
    except ConfigError:  # of another version, whose settings mean something else
        return None
    return found


def modality_shares(route: RouteConfig) -> dict[str, float]:
    """Return modality -> the part of the route's weight that goes through it; a sum is shared by those it adds."""
    total = sum(leg.weight for leg in route.active)
    shares = dict.fromkeys((*route.query, *route.gallery), 0.0)
    for leg in route.active:
        for side in (leg.query, leg.gallery):
            for name in side:
                shares[name] += leg.weight / total / len(side)
    return shares


def _unlike(routes: Routes, route: RouteConfig, claim: PlantedRoute) -> list[str]:
    found = []
    if claim.adapted and not any(_own(routes, name, route) for name in route.adapters):
        found.append("no adapter of its pair takes part")
    shares = modality_shares(route)
    found += [f"{name} has a weight of {shares[name]:.2f}" for name in claim.used if shares[name] < MUCH]
    found += [f"{name} has a weight of {shares[name]:.2f}" for name in claim.left_out if shares[name] > LITTLE]
    return found


def _own(routes: Routes, name: str, route: RouteConfig) -> bool:
    """Whether an adapter, or a member of a mixture, pulls modalities of the query towards modalities of the gallery."""
    members = [member for mixture in routes.mixtures if mixture.name == name for member in mixture.members]
    if members:
        return any(_own(routes, member, route) for member in members)
    if name == BASE:
        return False
    sides = {frozenset(routes.adapters[name].left), frozenset(routes.adapters[name].right)}
    query, gallery = set(route.query), set(route.gallery)
    one, other = sides if len(sides) == 2 else (frozenset(), frozenset())
    return bool(one and other) and ((one <= query and other <= gallery) or (other <= query and one <= gallery))

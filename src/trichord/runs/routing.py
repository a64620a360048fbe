"""Which route answers a request, and whether the model at hand can: nothing is chosen that was not asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.errors import ConfigError, nearest
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.modality import Modality, Task, parse_task, spell_task
from trichord.runs.side_vectors import SideName, by_ranks, find_makers, shares
from trichord.runs.stamps import Space, Stamp


def alone(task: Task, adapter: str) -> RouteConfig:
    """Return the route of one leg: the whole task under one adapter, or `BASE`."""
    leg = LegConfig(adapter=adapter, query=task.query, gallery=task.gallery)
    return RouteConfig(query=task.query, gallery=task.gallery, legs=(leg,))


def find_route(
    asked: str | RouteConfig,
    adapter: str | None,
    *,
    known: Sequence[Modality],
    routes: Mapping[str, RouteConfig],
    adapters: Sequence[str],
) -> RouteConfig:
    """Return the route that is asked for.

    Args:
        asked: a spelled task, or a route.
        adapter: the adapter, or `BASE`, under which the whole task is answered; None: as the routes say.
        known: the modalities of the model.
        routes: spelled task -> route, as loaded.
        adapters: names of the adapters at hand.

    Raises:
        ConfigError: there is no route of the task, while adapters are there: none of them is taken unasked, nor is the
            base.
    """
    if isinstance(asked, RouteConfig):
        if adapter is not None:
            raise ConfigError(f"a route names its adapters itself; leave out adapter={adapter!r}")
        return asked
    task = parse_task(asked, known)
    if adapter is not None:
        return alone(task, adapter)
    spelled = spell_task(task, known)
    if spelled in routes:
        return routes[spelled]
    if routes:
        raise ConfigError(
            f"there is no route of {spelled}; {nearest(spelled, list(routes))}. Or name an adapter for it"
        )
    if adapters:
        raise ConfigError(
            f"{spelled} can be answered under {', '.join(adapters)} or {BASE!r}: load routes, or name one of these as "
            "the adapter"
        )
    return alone(task, BASE)


def make_stamp(
    route: RouteConfig,
    side: SideName,
    bank: AdapterBank,
    *,
    dim: int,
    known: Sequence[Modality],
    preprocessing: Mapping[str, str],
) -> Stamp:
    """Return the stamp of the vectors of one side of a route.

    Args:
        route: the route.
        side: which side.
        bank: the adapters, by whose identities the stamp goes.
        dim: width of the joint space.
        known: the modalities, to spell the task.
        preprocessing: modality name -> hash of the settings of its encoder.
    """
    other: SideName = "gallery" if side == "query" else "query"
    return Stamp(
        base=bank.base,
        side=side,
        space=_space(route, side, bank, preprocessing),
        weights=shares(route),
        rank_constant=route.rank_constant if by_ranks(route) else None,
        dim=dim * len(route.active),
        route=f"{spell_task(route.task, known)} ({route.describe(known)})",
        partner=_space(route, other, bank, preprocessing),
        names={bank.identity(name).hash: name for name in route.adapters if name != BASE},
    )


def describe_effect(identity: AdapterIdentity, route: RouteConfig) -> str:
    """Say which sides of a route an adapter changes, and which stored vectors stay valid under it."""
    sides = {
        "the query side": set(identity.sides) & set(route.query),
        "the item side": set(identity.sides) & set(route.gallery),
    }
    changed = [side for side, names in sides.items() if names]
    where = "both sides" if len(changed) == 2 else f"{changed[0]} only" if changed else "neither side"
    return f"{identity.describe_sides()} ({where} of this route)"


def _space(route: RouteConfig, side: SideName, bank: AdapterBank, preprocessing: Mapping[str, str]) -> Space:
    legs = tuple(
        {name: maker if maker == BASE else bank.identity(maker).hash for name, maker in leg.items()}
        for leg in find_makers(route, side, bank)
    )
    return Space(legs=legs, preprocessing={name: preprocessing[name] for leg in legs for name in leg})

"""Which route answers a request, and whether the model at hand can: nothing is chosen that was not asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.errors import ConfigError, RunError, nearest
from trichord.evaluation.route import LegConfig, RouteConfig, serves
from trichord.modality import Modality, Task, parse_task, spell_task
from trichord.runs.routes_file import Routes
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


def check_model(route: RouteConfig, bank: AdapterBank, known: Sequence[Modality]) -> None:
    """Raise `ConfigError` unless a model can answer a route: its modalities, and adapters of the pairs of its legs.

    A mixture has no pair; it must change a modality of its leg, as every adapter must.
    """
    names = [modality.name for modality in known]
    for name in (*route.query, *route.gallery):
        if name not in names:
            raise ConfigError(f"the route names {name!r}, which this model has no encoder for; {nearest(name, names)}")
    for leg in route.active:
        if leg.adapter == BASE:
            continue
        spelled, task = f"the route {route.describe(known)}", spell_task(leg.task, known)
        if leg.adapter not in bank.names:
            raise ConfigError(
                f"{spelled} asks for the adapter {leg.adapter!r}, which is not loaded; "
                f"{nearest(leg.adapter, (BASE, *bank.names))}"
            )
        identity = bank.identity(leg.adapter)
        if not set(identity.sides) & {*leg.query, *leg.gallery}:
            raise ConfigError(
                f"{spelled}: the adapter {leg.adapter!r} changes {' and '.join(identity.sides)} only, so under it "
                f"{task} is that of the base; say {BASE!r}, or name another adapter"
            )
        if not serves(identity, leg):
            raise ConfigError(
                f"{spelled}: the adapter {leg.adapter!r} is of the pair {' and '.join(identity.left)} with "
                f"{' and '.join(identity.right)}, which is not that of {task}; name the adapter of that pair, or "
                f"{BASE!r}"
            )


def check_members(found: Routes, bank: AdapterBank, path: str) -> None:
    """Raise `RunError` unless routes are over this base, and the adapters they name are loaded and the same."""
    if found.base != bank.base:
        raise RunError(
            f"{path}: the routes are over the base {found.base}, this model is {bank.base}; load the base they belong "
            "to, or choose routes for this one"
        )
    for name, identity in found.adapters.items():
        if name not in bank.names:
            raise RunError(
                f"{path}: the routes need the adapter {name!r} ({identity.hash}), which is not loaded; load it first: "
                "model.load_adapter(FOLDER)"
            )
        if bank.identity(name).hash != identity.hash:
            raise RunError(
                f"{path}: the adapter {name!r} that is loaded is another one ({bank.identity(name).hash}) than the "
                f"routes were chosen with ({identity.hash}); load that one, or choose the routes again"
            )


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

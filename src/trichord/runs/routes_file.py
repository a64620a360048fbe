"""routes.json: the route that answers each task, over one base and adapters that are named by their identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trichord.adapters.identity import AdapterIdentity, identity_from_dict
from trichord.adapters.mixing import MixtureConfig
from trichord.adapters.settings import BASE
from trichord.config import from_dict
from trichord.errors import ConfigError, RunError
from trichord.evaluation.route import RouteConfig
from trichord.files import read_json, write_json

ROUTES_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Routes of one base.

    Args:
        base: hash of the weights of the base.
        routes: spelled task -> its route.
        mixtures: adapters made of others, in the order in which they are made.
        adapters: name -> identity, of every adapter that a route or a mixture names and that is no mixture.
    """

    base: str
    routes: Mapping[str, RouteConfig]
    mixtures: tuple[MixtureConfig, ...] = ()
    adapters: Mapping[str, AdapterIdentity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {BASE, *self.adapters}
        for mixture in self.mixtures:
            strangers = sorted(set(mixture.members) - (known - {BASE}))
            if mixture.name in known:
                raise ConfigError(f"the mixture {mixture.name!r} has the name of another adapter of the routes")
            if strangers:
                raise ConfigError(f"{strangers}, of which {mixture.name!r} is made, are not among the adapters")
            known.add(mixture.name)
        for task, route in self.routes.items():
            strangers = sorted(set(route.adapters) - known)
            if strangers:
                raise ConfigError(
                    f"the route of {task} names {strangers}, which are not among the adapters of the routes; record "
                    "the identity of every adapter beside them"
                )


def write_routes(path: str | Path, routes: Routes) -> None:
    """Write routes.json, atomically."""
    write_json(
        path,
        {
            "routes_format": ROUTES_FORMAT,
            "base": routes.base,
            "routes": {task: route.to_dict() for task, route in routes.routes.items()},
            "mixtures": [mixture.to_dict() for mixture in routes.mixtures],
            "adapters": {name: identity.to_dict() for name, identity in routes.adapters.items()},
        },
    )


def read_routes(path: str | Path) -> Routes:
    """Read routes.json.

    Raises:
        RunError: it is of another format, or holds what is no route.
        DataError: the file is missing or not JSON.
    """
    data = read_json(path)
    known = {"routes_format", "base", "routes", "mixtures", "adapters"}
    if not isinstance(data, dict) or data.get("routes_format") != ROUTES_FORMAT or set(data) != known:
        found = data.get("routes_format") if isinstance(data, dict) else type(data).__name__
        raise RunError(
            f"{path}: routes format {found!r}, this version reads format {ROUTES_FORMAT} with the fields "
            f"{sorted(known)}; choose the routes again, or use the version that wrote them"
        )
    try:
        return Routes(
            base=data["base"],
            routes={task: _typed(entry, RouteConfig) for task, entry in data["routes"].items()},
            mixtures=tuple(_typed(entry, MixtureConfig) for entry in data["mixtures"]),
            adapters={name: identity_from_dict(entry, path) for name, entry in data["adapters"].items()},
        )
    except (AttributeError, ImportError, TypeError, ConfigError) as error:
        raise RunError(f"{path}: {error}; choose the routes again, or restore the file") from error


def _typed(data: Any, kind: type) -> Any:
    found = from_dict(data)
    if not isinstance(found, kind):
        raise ConfigError(f"a {type(found).__name__} stands where a {kind.__name__} is expected")
    return found

"""The routes a model has loaded: replaced as a whole, and bound to the adapters they were chosen with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trichord.adapters.bank import AdapterBank
from trichord.adapters.settings import BASE
from trichord.errors import ConfigError, RunError
from trichord.evaluation.route import RouteConfig, check_route
from trichord.modality import Modality, spell_task
from trichord.runs.routes_file import Routes, read_routes


class LoadedRoutes:
    """Routes over a bank, and the mixtures made for them.

    Args:
        bank: the adapters.
        known: the modalities of the model.
    """

    def __init__(self, bank: AdapterBank, known: Sequence[Modality]) -> None:
        self.bank, self.known = bank, known
        self._routes: dict[str, RouteConfig] = {}
        self._hashes: dict[str, str] = {}
        self._mixtures: tuple[str, ...] = ()

    @property
    def routes(self) -> Mapping[str, RouteConfig]:
        """Spelled task -> its route."""
        return dict(self._routes)

    def load(self, path: str | Path) -> None:
        """Put the routes of a file in place of those there are; see `Model.load_routes`."""
        found = read_routes(path)
        with self.bank.lock:
            check_members(found, self.bank, str(path))
            made: list[str] = []
            former = {name: (self.bank.saved(name), self.bank.identity(name)) for name in self._own_mixtures()}
            try:
                for name in former:
                    self.bank.remove(name)
                for mixture in found.mixtures:
                    made.append(self.bank.mix(mixture))
                identities = self.bank.identities
                for task, route in found.routes.items():
                    check_route(route, self.known, identities)
                    if spell_task(route.task, self.known) != task:
                        raise ConfigError(f"{path}: the route of {task} answers another task; choose the routes again")
            except BaseException:
                for name in reversed(made):
                    self.bank.remove(name)
                for name, (saved, identity) in former.items():
                    if name not in self.bank.names:
                        self.bank.add(saved, identity, name)
                raise
            self._routes, self._mixtures = dict(found.routes), tuple(made)
            self._hashes = {name: identities[name].hash for name in (*found.adapters, *made)}

    def unload(self) -> None:
        """Forget the routes, and take the mixtures made for them out of memory."""
        with self.bank.lock:
            for name in self._own_mixtures():
                self.bank.remove(name)
            self._routes, self._hashes, self._mixtures = {}, {}, ()

    def check_adapters(self, route: RouteConfig) -> None:
        """Raise `RunError` unless the adapters of a loaded route are those with which it was loaded."""
        for name in route.adapters:
            if name == BASE:
                continue
            spelled = f"the route {route.describe(self.known)}"
            if name not in self.bank.names:
                raise RunError(
                    f"{spelled} needs the adapter {name!r} ({self._hashes[name]}), which is no longer loaded; load it "
                    "again, or load other routes"
                )
            if self.bank.identity(name).hash != self._hashes[name]:
                raise RunError(
                    f"{spelled} was loaded with another adapter {name!r} ({self._hashes[name]}) than the one that has "
                    f"this name now ({self.bank.identity(name).hash}); load that one again, or load other routes"
                )

    def _own_mixtures(self) -> list[str]:
        """Return the mixtures that are still there; what somebody loaded in the place of one is theirs."""
        there = self.bank.identities
        return [name for name in self._mixtures if name in there and there[name].hash == self._hashes[name]]


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

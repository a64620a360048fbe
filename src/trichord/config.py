"""Configurations: frozen dataclasses that sit beside the class they build.

A configuration is plain data. It can be printed, compared, saved as JSON, rebuilt by `from_dict`, and every field of
it can be overridden from the command line. Subclasses carry `builds`, the class that `build` constructs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, ClassVar

from trichord.errors import ConfigError, nearest


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of every configuration; fields are plain data, configurations, or tuples and dictionaries of them."""

    builds: ClassVar[Any] = None

    def build(self, **runtime: Any) -> Any:
        """Construct the target from this configuration and objects that only exist at run time."""
        return type(self).builds(self, **runtime)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `from_dict` turns back into an equal configuration."""
        named = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"config": f"{type(self).__module__}.{type(self).__qualname__}", **named}


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise ConfigError(f"a configuration holds plain data or configurations, got {type(value).__name__}: {value!r}")


def from_dict(data: Mapping[str, Any]) -> Any:
    """Rebuild a configuration from `Config.to_dict`. Only configurations of this package are accepted."""
    module, _, name = str(data.get("config", "")).rpartition(".")
    found = getattr(import_module(module), name, None) if module.startswith("trichord.") else None
    if not (isinstance(found, type) and issubclass(found, Config)):
        raise ConfigError(f"{data.get('config')!r} does not name a configuration of trichord")
    known = {field.name for field in fields(found)}
    given = {key: _rebuild(value) for key, value in data.items() if key != "config"}
    if set(given) != known:
        raise ConfigError(
            f"{data['config']} has the fields {sorted(known)}; unknown here: {sorted(set(given) - known)}, "
            f"missing: {sorted(known - set(given))}. It was written by another version of trichord"
        )
    return found(**given)


def _rebuild(value: Any) -> Any:
    if isinstance(value, Mapping):
        return from_dict(value) if "config" in value else {key: _rebuild(entry) for key, entry in value.items()}
    return tuple(_rebuild(entry) for entry in value) if isinstance(value, list) else value


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value) for every leaf of plain data, in order. A list of plain values is one leaf."""
    children: Any = None
    if isinstance(data, Mapping):
        children = data.items()
    elif isinstance(data, (list, tuple)) and any(isinstance(entry, (Mapping, list, tuple)) for entry in data):
        children = enumerate(data)
    if not children:
        yield path, data
        return
    for key, value in children:
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def difference(a: Config, b: Config) -> dict[str, tuple[Any, Any]]:
    """Return {dotted path: (value in a, value in b)} of every leaf that differs; a leaf that is absent is None."""
    left, right = dict(leaves(a.to_dict())), dict(leaves(b.to_dict()))
    paths = [*left, *(path for path in right if path not in left)]
    return {path: (left.get(path), right.get(path)) for path in paths if left.get(path) != right.get(path)}


def has_path(config: Config, path: str) -> bool:
    """Whether a dotted path such as "stages.0.epochs" names a leaf of the configuration."""
    return path in dict(leaves(config.to_dict()))


def replaced(config: Config, changes: Mapping[str, Any]) -> Any:
    """Return the configuration with the leaves at dotted paths replaced; every check of its classes runs again.

    Raises:
        ConfigError: a path that names no leaf, or a value that breaks a rule.
    """
    data = config.to_dict()
    known = [path for path, _ in leaves(data)]
    for path, value in changes.items():
        if path not in known:
            raise ConfigError(f"the configuration has no field {path!r}; {nearest(path, known)}")
        *parents, last = path.split(".")
        place: Any = data
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        place[int(last) if isinstance(place, list) else last] = value
    return from_dict(data)

"""What an adapter is of: the record beside its weights, by which it is refused where it does not belong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from trichord.errors import ConfigError, RunError
from trichord.files import hash_json, read_json, write_json
from trichord.modality import Pair

ADAPTER_FORMAT = 2
IDENTITY_FILE = "adapter_identity.json"
LISTS = frozenset({"left", "right", "sides", "fit_splits"})
BESIDES = ("adapter_format", "record_hash")
"""What the file holds beside the fields: its format, and the hash of all fields."""
AND = " and "
"""Joins what the members of a mixture bring each for itself."""


@dataclass(frozen=True, kw_only=True)
class AdapterIdentity:
    """The identity of an adapter.

    Args:
        name: what it is called, "VT".
        left, right: modality names of its pair; both empty for a mixture, which has none.
        sides: modalities whose encoders it changes.
        base: hash of the weights of the base it was learnt over.
        weights: hash of its own tensors.
        preprocessing: side -> hash of the settings of its encoder, which reads the features.
        dataset: name of the data it was learnt from.
        dataset_fingerprint: hash of their content.
        learnt: "after the base", "together with the base", or how a mixture was made.
        fit_splits: splits of the data it was learnt from; of a mixture, those of all members. Empty where there were
            none, as for matrices drawn at random. Whoever reads a file is always told.
        selected_on: split on which its best epoch was found; None where none was; of a mixture, those of its members
            joined by `AND`.

    Raises:
        ConfigError: no side or one twice, half a pair, or sides that are not of the pair.
    """

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    sides: tuple[str, ...]
    base: str
    weights: str
    preprocessing: Mapping[str, str]
    dataset: str
    dataset_fingerprint: str
    learnt: str
    fit_splits: tuple[str, ...] = ()
    selected_on: str | None = None

    def __post_init__(self) -> None:
        if not self.sides or len(set(self.sides)) != len(self.sides) or bool(self.left) != bool(self.right):
            raise ConfigError(
                f"an adapter has a side or more, each once, and both sides of its pair or none; got the sides "
                f"{list(self.sides)} and the pair {list(self.left)}, {list(self.right)}"
            )
        strange = sorted(set(self.sides) - {*self.left, *self.right})
        if self.left and strange:
            raise ConfigError(
                f"the adapter {self.name} of {AND.join(self.left)} with {AND.join(self.right)} cannot change "
                f"{AND.join(strange)}, which is not of its pair"
            )

    @property
    def pair(self) -> Pair | None:
        """The pair it pulls together; None for a mixture."""
        return Pair(self.left, self.right) if self.left else None

    @property
    def hash(self) -> str:
        """Hash of all that decides its vectors and what they are for; names and data may differ."""
        return hash_json(
            {
                "base": self.base,
                "weights": self.weights,
                "sides": list(self.sides),
                "left": list(self.left),
                "right": list(self.right),
                "preprocessing": dict(self.preprocessing),
            }
        )

    def describe_sides(self) -> str:
        """Say which sides it changes, and what that means for vectors that are stored already."""
        changed = " and ".join(self.sides)
        still = [name for name in (*self.left, *self.right) if name not in self.sides]
        if not still:
            return f"changes {changed}: their vectors have to be made anew under it"
        return f"changes {changed} only: stored vectors of {' and '.join(still)} stay valid"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, and a hash of all fields, by which a change of any of them is found."""
        values = asdict(self)
        return {"adapter_format": ADAPTER_FORMAT, **values, "record_hash": hash_json(values)}

    def save(self, folder: Path) -> None:
        """Write adapter_identity.json."""
        write_json(folder / IDENTITY_FILE, self.to_dict())


def identity_from_dict(data: Mapping[str, Any], origin: Path | str) -> AdapterIdentity:
    """Rebuild an identity from plain data; raise `RunError` naming the file when it is not what was saved."""
    known = {field.name for field in fields(AdapterIdentity)}
    if data.get("adapter_format") != ADAPTER_FORMAT or set(data) != {*known, *BESIDES}:
        raise RunError(
            f"{origin}: adapter format {data.get('adapter_format')!r}, this version reads {ADAPTER_FORMAT} with the "
            f"fields {sorted(known)}; learn the adapter again, or use the version that wrote it"
        )
    texts = [name for name in sorted(known - LISTS - {"preprocessing"}) if not _is_text(name, data[name])]
    lists = [name for name in sorted(LISTS) if not _is_texts(data[name])]
    settings = data["preprocessing"]
    if texts or lists or not isinstance(settings, dict) or not _is_texts([*settings.values()]):
        raise RunError(
            f"{origin}: {', '.join([*texts, *lists]) or 'preprocessing'} is of another kind than it was saved; restore "
            "the file, or learn the adapter again"
        )
    values: dict[str, Any] = {name: tuple(data[name]) if name in LISTS else data[name] for name in known}
    try:
        identity = AdapterIdentity(**values)
    except ConfigError as error:
        raise RunError(f"{origin}: {error}; restore the file, or learn the adapter again") from error
    if data["record_hash"] != hash_json(asdict(identity)):
        raise RunError(
            f"{origin}: the record of the adapter {identity.name} is not what was saved (another hash than "
            f"{data['record_hash']}); restore the file, or learn the adapter again"
        )
    return identity


def _is_text(name: str, value: Any) -> bool:
    return isinstance(value, str) or (name == "selected_on" and value is None)


def _is_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value)


def load_identity(folder: Path) -> AdapterIdentity:
    """Read adapter_identity.json.

    Raises:
        RunError: the folder holds none: PEFT alone does not say which base an adapter belongs to.
    """
    path = folder / IDENTITY_FILE
    if not path.exists():
        raise RunError(
            f"{folder} holds no {IDENTITY_FILE}, so nobody can say which base the adapter belongs to; name a folder "
            "made by `trichord adapt`"
        )
    data = read_json(path)
    if not isinstance(data, dict):
        raise RunError(f"{path} is no record of an adapter; learn the adapter again")
    return identity_from_dict(data, path)

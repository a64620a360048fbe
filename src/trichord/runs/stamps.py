"""What vectors are: the record kept beside them, by which vectors of two spaces are never searched together.

A stamp names content, by hashes, and nothing that can be renamed. Two files of vectors belong together if one route
would have made both. So an adapter that changes the query side alone leaves every gallery valid that the base made, and
the refusal of others says what has to be made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isclose
from typing import Any

from trichord.adapters.settings import BASE
from trichord.errors import RunError
from trichord.evaluation.routes import SIMILARITY
from trichord.runs.side_vectors import SideName

STAMP_FORMAT = 1
DTYPE = "float32"


@dataclass(frozen=True, kw_only=True)
class Space:
    """What made the vectors of one side.

    Args:
        legs: for each leg, modality name -> hash of the adapter that changes it, or `BASE` where none does.
        preprocessing: modality name -> hash of the settings of its encoder.
    """

    legs: tuple[dict[str, str], ...]
    preprocessing: dict[str, str]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of all legs."""
        return tuple(dict.fromkeys(name for leg in self.legs for name in leg))


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What vectors are. Vectors of equal stamps are of one space; what is not compared serves the sentences.

    Args:
        base: hash of the weights of the base.
        side: side of the route they are.
        space: what made them.
        weights: share of each leg, together 1.
        dim: numbers in a vector: legs times the width of the joint space.
        dtype: format of these numbers.
        similarity: how two of them are compared: the dot product of a query's and a gallery's is this.
        rank_constant: k of a route by ranks, whose vectors are those of its legs laid end to end: not the dot product
            is the score, but the legs' ranks are fused; None for a route by scores.
        route: the route in words.
        partner: what makes the other side of the route.
        names: hash of an adapter -> the name it went by.
    """

    base: str
    side: SideName
    space: Space
    weights: tuple[float, ...]
    dim: int
    dtype: str = DTYPE
    similarity: str = SIMILARITY
    rank_constant: float | None = None
    route: str = field(compare=False)
    partner: Space = field(compare=False)
    names: dict[str, str] = field(compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        data = {"stamp_format": STAMP_FORMAT, **asdict(self), "weights": list(self.weights)}
        for name in ("space", "partner"):
            data[name]["legs"] = list(data[name]["legs"])
        return data

    def describe(self) -> str:
        """Say what they are: "gallery side of T>V: video of the base (1f0c...)"."""
        return f"{self.side} side of {self.route}: {_made(self.space, self.names)}; base {self.base}"


def stamp_from_dict(data: Any, origin: str) -> Stamp:
    """Rebuild a stamp from plain data; raise `RunError` naming where it comes from when it is of another format."""
    known = {entry.name for entry in fields(Stamp)}
    try:
        if data["stamp_format"] != STAMP_FORMAT or set(data) != {*known, "stamp_format"}:
            raise ValueError(f"format {data['stamp_format']!r}")
        values = {name: data[name] for name in known}
        for name in ("space", "partner"):
            values[name] = Space(legs=tuple(values[name]["legs"]), preprocessing=values[name]["preprocessing"])
        values["weights"] = tuple(values["weights"])
        stamp = Stamp(**values)
        if not len(stamp.weights) == len(stamp.space.legs) == len(stamp.partner.legs) >= 1:
            raise ValueError("legs and weights of unlike number")
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{origin}: holds no stamp of format {STAMP_FORMAT} ({type(error).__name__}: {error}), so nobody can say "
            "what made its vectors; encode them again with `trichord encode`"
        ) from error
    return stamp


def require_same_space(query: Stamp, gallery: Stamp) -> None:
    """Raise `RunError` unless the dot products of two sides are the scores of one route.

    Args:
        query: stamp of the queries.
        gallery: stamp of what is searched.

    Raises:
        RunError: they differ; the sentence says in which part, and what has to be re-embedded.
    """
    for stamp, wanted in ((query, "query"), (gallery, "gallery")):
        if stamp.side != wanted:
            raise RunError(
                f"the vectors given as {wanted} are the {stamp.side} side of {stamp.route}; give the two files the "
                f"other way round, or re-embed: make the {wanted} side"
            )
    names = {**gallery.names, **query.names}
    if query.base != gallery.base:
        raise RunError(
            f"the queries are of the base {query.base}, the gallery is of the base {gallery.base}. Re-embed the "
            f"gallery side ({_made(query.partner, names)}) with the base {query.base}, or the query side "
            f"({_made(gallery.partner, names)}) with the base {gallery.base}"
        )
    remedy = (
        f"Re-embed the gallery side: {_made(query.partner, names)}; or the query side: {_made(gallery.partner, names)}"
    )
    for part in ("similarity", "rank_constant", "dtype"):
        here, there = getattr(query, part), getattr(gallery, part)
        if here != there:
            raise RunError(f"{part} of the queries is {here!r}, that of the gallery {there!r}. {remedy}")
    if _layout(query.partner) != _layout(gallery.space) or _layout(query.space) != _layout(gallery.partner):
        raise RunError(
            f"the queries are for the route {query.route}, the gallery is for {gallery.route}: they have other "
            f"modalities. {remedy}"
        )
    for one, other in ((query.partner, gallery.space), (query.space, gallery.partner)):
        unlike = [name for name, settings in one.preprocessing.items() if other.preprocessing.get(name) != settings]
        if unlike:
            raise RunError(
                f"the preprocessing differs: the encoder of {' and '.join(unlike)} has other settings for the queries' "
                f"route than for the gallery's. {remedy}"
            )
    if not all(isclose(a, b, rel_tol=1e-9) for a, b in zip(query.weights, gallery.weights, strict=True)):
        raise RunError(
            f"the legs of the route weigh {_percent(query.weights)} in the queries and {_percent(gallery.weights)} in "
            f"the gallery. {remedy}"
        )
    if query.partner.legs != gallery.space.legs and gallery.partner.legs != query.space.legs:
        raise RunError(
            f"the queries are {_made(query.space, names)}, made for a gallery of {_made(query.partner, names)}; this "
            f"gallery is {_made(gallery.space, names)}: other adapters. {remedy}"
        )
    if query.dim != gallery.dim:
        raise RunError(f"the queries are {query.dim} wide, the gallery is {gallery.dim} wide. {remedy}")


def _layout(space: Space) -> list[set[str]]:
    return [set(leg) for leg in space.legs]


def _made(space: Space, names: Mapping[str, str]) -> str:
    """Say which modalities under which adapters: "video under VT (0123...) and audio of the base"."""
    found: dict[str, None] = {}
    for leg in space.legs:
        for modality, adapter in leg.items():
            of = "of the base" if adapter == BASE else f"under {names.get(adapter, 'the adapter')} ({adapter})"
            found[f"{modality} {of}"] = None
    return " and ".join(found)


def _percent(weights: tuple[float, ...]) -> str:
    return " : ".join(f"{weight:.3g}" for weight in weights)

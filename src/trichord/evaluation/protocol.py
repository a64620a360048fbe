"""How a number was measured. Two results may be compared only when their protocols are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from trichord.errors import ProtocolError
from trichord.files import hash_json


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that decides a retrieval number besides the model.

    Args:
        task: spelling, "T>VA".
        dataset: name of the data set.
        dataset_fingerprint: hash of its content.
        split: name of the split, several joined by "+".
        items_hash: hash of the ids of the items, in order.
        num_items: number of items.
        query_captions, gallery_captions: "one per item", or for a side with several instances per item "first" (the
            first instance stands for the item) or "all" (each is a row).
        denominator: what a mean divides by.
        missing_policy: "miss": an item without query or gallery side counts, with recall 0 and the last rank.
        tie_policy: "expected": the expectation over random orders of equal scores.
        precision: number format of the scores.
        similarity: "dot product of unit vectors" or "dot product".
        fusion: how a side of several modalities is made one vector: "sum of vectors" or "sum of unit vectors".
        benchmark: name of the benchmark, with what deviates from it; "none" where a split was measured like any other.
    """

    task: str
    dataset: str
    dataset_fingerprint: str
    split: str
    items_hash: str
    num_items: int
    query_captions: str
    gallery_captions: str
    similarity: str
    fusion: str
    benchmark: str = "none"
    denominator: str = "every query of every item; an item without a query counts as one"
    missing_policy: str = "miss"
    tie_policy: str = "expected"
    precision: str = "float32"

    def fingerprint(self) -> str:
        """Return a hash of all fields."""
        return hash_json(asdict(self))

    def differences(self, other: Protocol) -> list[str]:
        """Return one sentence part per field that differs: "split: 'test' against 'val'"."""
        pairs = [(field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        return [f"{name.replace('_', ' ')}: {a!r} against {b!r}" for name, a, b in pairs if a != b]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the fingerprint as plain data."""
        return {**asdict(self), "fingerprint": self.fingerprint()}


def protocol_from_dict(data: Mapping[str, Any]) -> Protocol:
    """Rebuild a protocol from `Protocol.to_dict`; raise `ProtocolError` when fields or fingerprint do not fit."""
    known = {field.name for field in fields(Protocol)}
    given = {key: value for key, value in data.items() if key != "fingerprint"}
    if set(given) != known:
        raise ProtocolError(
            f"a protocol has the fields {sorted(known)}; unknown here: {sorted(set(given) - known)}, missing: "
            f"{sorted(known - set(given))}. The result was written by another version of trichord; evaluate again"
        )
    protocol = Protocol(**given)
    if data.get("fingerprint") != protocol.fingerprint():
        raise ProtocolError(
            f"the protocol's fingerprint is {protocol.fingerprint()}, the file says {data.get('fingerprint')!r}: the "
            "file was changed after it was written. Evaluate again"
        )
    return protocol


def require_same(a: Protocol, b: Protocol) -> None:
    """Raise `ProtocolError` that names every field in which two protocols differ."""
    found = a.differences(b)
    if found:
        raise ProtocolError(
            f"results of unlike protocols cannot be compared; they differ in {'; '.join(found)}. Evaluate both under "
            "one protocol"
        )

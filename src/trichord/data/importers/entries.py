"""What entries of published pickles hold, taken out and checked: clip vectors, log-mel frames, captions, ids.

Every function raises `DataError` where a part is missing or broken; what to do about it is the importer's to say.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from trichord.data.packing import Quarantined
from trichord.errors import DataError
from trichord.foreign import read_pickle
from trichord.shapes import Float

STREAM_DIM, NUM_MELS = 2048, 40
REMEDY = "mend the entry; it stays without this part"
_MOST_KEYS = 20
# One level and few letters: a tuple that holds itself twice over forty levels would be spelled out for hours.
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 1, 80, 80


@dataclass
class Parts:
    """Collects the parts of one entry; what is broken is left out and listed.

    Args:
        id: the entry's id, for the list.
    """

    id: str
    quarantined: list[Quarantined] = field(default_factory=list)

    def take(self, what: str, part: Any, *arguments: Any) -> Any:
        """Call `part`; where it raises, list why and return None."""
        try:
            return part(*arguments)
        except DataError as error:
            self.quarantined.append(Quarantined(self.id, f"{what}: {error.rule}"))
            return None


def read_entries(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row, entry) of a pickle that holds a list of dictionaries; an entry is given up once it was yielded.

    Raises:
        DataError: the file is missing, no such pickle, or asks for code to be run.
    """
    entries = read_pickle(file)
    if not isinstance(entries, list) or not entries:
        raise DataError(
            f"expected a list of clips, found {type(entries).__name__}{' without any' if entries == [] else ''}",
            file=file,
            remedy="point at the published file",
        )
    for row in range(len(entries)):
        entry, entries[row] = entries[row], None
        if not isinstance(entry, dict):
            raise DataError(
                f"a clip is a dictionary, found {type(entry).__name__}",
                file=file,
                row=row,
                remedy="point at the published file",
            )
        yield row, entry


def entry_id(entry: Mapping[str, Any], file: Path, row: int) -> str:
    """Return the id of an entry."""
    found = entry.get("id")
    if not is_text(found) or not found.strip():
        held = f"its id is {spelled(found)}" if "id" in entry else f"it has no id; its keys: {keys_of(entry)}"
        raise DataError(f"a clip has an id, a string that is not empty; {held}", file=file, row=row, remedy="mend it")
    return found


def spelled(value: Any) -> str:
    """Return a foreign value as a message may show it: short, whatever it holds and however often."""
    return _SHORT.repr(value)


def keys_of(entry: Mapping[Any, Any]) -> str:
    """Return the first keys of an entry as a message may show them."""
    shown = sorted(
        key if isinstance(key, str) and len(key) <= 80 else spelled(key) for key in islice(entry, _MOST_KEYS)
    )
    return f"{shown}{f' and {len(entry) - _MOST_KEYS} more' if len(entry) > _MOST_KEYS else ''}"


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text that can be stored; a pickle or JSON can hold half a character."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def clip_vector(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Float[np.ndarray, " dim"]:
    """Return the vectors under the keys, each brought to length one, side by side: (2048 * keys,) float32."""
    return np.concatenate([_unit(_array(entry, key, (STREAM_DIM,)), key) for key in keys])


def log_mel(entry: Mapping[str, Any], key: str, dtype: np.dtype) -> Float[np.ndarray, "time mels"]:
    """Return log-mel frames, (time, 40), from (40, time)."""
    return check_mel(_array(entry, key, (NUM_MELS, None)), key, dtype)


def check_mel(values: np.ndarray, key: str, dtype: np.dtype) -> Float[np.ndarray, "time mels"]:
    """Turn (40, time) frames to (time, 40) of a dtype; they are finite in it and there is one at least."""
    if values.ndim != 2 or values.shape[0] != NUM_MELS or values.shape[1] < 1:
        raise DataError(f"{key!r} is {NUM_MELS} x time, found shape {values.shape}", remedy=REMEDY)
    check_float(values, key)
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    if not np.isfinite(stored).all():
        beyond = f" or a value beyond {dtype}" if np.isfinite(values).all() else ""
        raise DataError(f"{key!r} holds NaN, infinity{beyond}", remedy=REMEDY)
    return stored.T


def sentences(entry: Mapping[str, Any], key: str) -> list[str]:
    """Return a caption or a list of captions; some may be blank, not all."""
    found = entry.get(key)
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, (list, tuple)) or not all(is_text(text) for text in listed):
        raise DataError(f"{key!r} is a sentence or a list of sentences, found {_shown(entry, key)}", remedy=REMEDY)
    if not any(text.strip() for text in listed):
        raise DataError(f"{key!r} holds no sentence: {spelled(found)}", remedy=REMEDY)
    return list(listed)


def check_float(values: np.ndarray, key: str) -> None:
    """Raise unless values are floating-point numbers."""
    if values.dtype.kind != "f":
        raise DataError(f"{key!r} holds floating-point numbers, found {values.dtype}", remedy=REMEDY)


def _array(entry: Mapping[str, Any], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    values = entry.get(key)
    if not isinstance(values, np.ndarray):
        raise DataError(f"{key!r} is an array, found {_shown(entry, key)}", remedy=REMEDY)
    check_float(values, key)
    fits = values.ndim == len(shape) and all(s in (None, n) for s, n in zip(shape, values.shape, strict=True))
    if not fits:
        wanted = " x ".join("time" if size is None else str(size) for size in shape)
        raise DataError(f"{key!r} is {wanted}, found shape {values.shape}", remedy=REMEDY)
    _check_finite(values, key)
    return values


def _check_finite(values: np.ndarray, key: str) -> None:
    check_float(values, key)
    if not np.isfinite(values).all():
        raise DataError(f"{key!r} holds NaN or infinity", remedy=REMEDY)


def _unit(vector: np.ndarray, key: str) -> np.ndarray:
    largest = float(np.abs(vector).max())
    if largest == 0:
        raise DataError(f"{key!r} is all zero, as where a video has no features", remedy=REMEDY)
    # Divided first, so that neither very large nor very small numbers leave the range of squares.
    values = vector.astype(np.float64) / largest
    unit: np.ndarray = (values / np.linalg.norm(values)).astype(np.float32)
    return unit


def _shown(entry: Mapping[str, Any], key: str) -> str:
    return f"a {type(entry[key]).__name__}" if key in entry else f"no such key; keys: {keys_of(entry)}"

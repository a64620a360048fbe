"""What a modality is, and how sets of them are spelled: tasks such as "T>VA" and pairs such as "T-VA".

A modality is a value, not a member of an enumeration: a data set may bring one that this package has never heard of.
Its `name` is the key used in every dictionary ("video"); its `letter` is its spelling in orders, tasks and pairs ("V").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trichord.errors import ConfigError


@dataclass(frozen=True)
class Modality:
    """One kind of signal, for instance video.

    Args:
        name: dictionary key, lower case, an identifier: "video".
        letter: one upper-case ASCII letter, its spelling in "AV_T" or "T>VA".
    """

    name: str
    letter: str

    def __post_init__(self) -> None:
        if not (self.name.isidentifier() and self.name == self.name.lower()):
            raise ConfigError(f"a modality's name is a lower-case identifier such as 'video', got {self.name!r}")
        if not (len(self.letter) == 1 and self.letter.isascii() and self.letter.isupper()):
            raise ConfigError(
                f"a modality's letter is one upper-case ASCII letter, got {self.letter!r} for {self.name!r}"
            )


VIDEO = Modality("video", "V")
AUDIO = Modality("audio", "A")
TEXT = Modality("text", "T")
STANDARD: tuple[Modality, ...] = (VIDEO, AUDIO, TEXT)


def check_distinct(modalities: Sequence[Modality]) -> tuple[Modality, ...]:
    """Return the modalities as a tuple; raise `ConfigError` when two share a name or a letter."""
    for field in ("name", "letter"):
        seen = [getattr(modality, field) for modality in modalities]
        if len(set(seen)) != len(seen):
            raise ConfigError(f"two modalities share a {field}: {', '.join(seen)}; give each its own")
    return tuple(modalities)


def spell(names: Sequence[str], known: Sequence[Modality]) -> str:
    """Spell modality names as letters in the order of `known`: ("audio", "video") -> "VA"."""
    missing = set(names) - {modality.name for modality in known}
    if missing:
        raise ConfigError(f"no modality named {sorted(missing)}; known: {[modality.name for modality in known]}")
    return "".join(modality.letter for modality in known if modality.name in names)


def unspell(letters: str, known: Sequence[Modality]) -> tuple[str, ...]:
    """Read letters as modality names, in the order of `known`: "AV" -> ("video", "audio"). "V+A" is read like "VA"."""
    plain = "".join(part or "?" for part in letters.split("+"))
    by_letter = {modality.letter: modality.name for modality in known}
    unknown = [letter for letter in plain if letter not in by_letter]
    if unknown or not plain:
        spelled = ", ".join(f"{modality.letter} = {modality.name}" for modality in known)
        raise ConfigError(
            f"{letters!r} names a modality that is not there ({', '.join(unknown) or 'none'}); known: {spelled}"
        )
    if len(set(plain)) != len(plain):
        raise ConfigError(f"{letters!r} names a modality twice")
    return tuple(modality.name for modality in known if modality.letter in plain)


@dataclass(frozen=True)
class Pair:
    """Two sides that an objective pulls together; a side of several modalities is the sum of their vectors.

    Args:
        left, right: modality names of either side; disjoint, none empty.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.left or not self.right or set(self.left) & set(self.right):
            raise ConfigError(f"the sides of a pair must be filled and disjoint, got {self.left} and {self.right}")


@dataclass(frozen=True)
class Task:
    """A retrieval task: a query of one or more modalities against a gallery of one or more others."""

    query: tuple[str, ...]
    gallery: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.query or not self.gallery or set(self.query) & set(self.gallery):
            said = " and ".join("+".join(side) or "nothing" for side in (self.query, self.gallery))
            raise ConfigError(
                f"the two sides of a task must be filled and disjoint, got {said}; name two that differ, such as T>V"
            )


def parse_pair(spelling: str, known: Sequence[Modality]) -> Pair:
    """Read "V-T", "T-VA" or, where each side is one letter, "VT"."""
    sides = tuple(spelling) if "-" not in spelling and len(spelling) == 2 else tuple(spelling.split("-"))
    if len(sides) != 2:
        raise ConfigError(f"a pair is spelled like V-T or T-VA, got {spelling!r}")
    return Pair(unspell(sides[0], known), unspell(sides[1], known))


def parse_task(spelling: str, known: Sequence[Modality]) -> Task:
    """Read "T>V", "T>VA" or "T>V+A"."""
    sides = spelling.split(">")
    if len(sides) != 2:
        raise ConfigError(f"a task is spelled query>gallery, like T>V or T>VA, got {spelling!r}")
    return Task(unspell(sides[0], known), unspell(sides[1], known))


def spell_pair(pair: Pair, known: Sequence[Modality]) -> str:
    """Spell a pair: "V-T", "T-VA"."""
    return f"{spell(pair.left, known)}-{spell(pair.right, known)}"


def spell_task(task: Task, known: Sequence[Modality]) -> str:
    """Spell a task: "T>VA"."""
    return f"{spell(task.query, known)}>{spell(task.gallery, known)}"


def all_pairs(names: Sequence[str]) -> tuple[Pair, ...]:
    """Return every unordered pair of single modalities, in the order given."""
    return tuple(Pair((a,), (b,)) for i, a in enumerate(names) for b in names[i + 1 :])


def all_tasks(known: Sequence[Modality]) -> tuple[Task, ...]:
    """Return the any-to-any tasks in reading order.

    Every ordered pair of single modalities, text queries first; and, from three modalities on, text (or the last
    modality, where there is no text) against all others together, both ways. For V, A, T:
    T>V V>T T>A A>T A>V V>A T>VA VA>T.
    """
    names = [modality.name for modality in known]
    anchor = TEXT.name if TEXT.name in names else names[-1]
    others = tuple(name for name in names if name != anchor)
    singles = [(anchor, name) for name in others]
    singles += [(b, a) for i, a in enumerate(others) for b in others[i + 1 :]]
    tasks = [task for a, b in singles for task in (Task((a,), (b,)), Task((b,), (a,)))]
    if len(others) > 1:
        tasks += [Task((anchor,), others), Task(others, (anchor,))]
    return tuple(tasks)

"""A node in the text form of a graph: its role, what it compares or tells apart, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from trichord.errors import ConfigError, nearest
from trichord.graphs.graph import NodeConfig, Role
from trichord.graphs.statements import cut, quote, unquote
from trichord.modality import Modality, Pair, parse_pair, spell, spell_pair, unspell

ROLES: tuple[Role, ...] = get_args(Role)
SETTINGS = {
    "of": ("order", "of AVT"),
    "model": ("model", "model=NAME"),
    "adapter": ("adapter", "adapter"),
    "from": ("start", "from RUN"),
}
"""What may follow the sides of a node: its first word -> field of the node, and how it is written."""


def read_node(words: Sequence[str], known: Sequence[Modality]) -> NodeConfig:
    """Read what follows the colon of a node.

    Raises:
        ConfigError: a word that has no place there, with what has.
    """
    role = next((name for name in ROLES if words and words[0] == name), None)
    if role is None:
        found = f"{words[0]!r} is no role; {nearest(words[0], ROLES)}" if words else f"known: {', '.join(ROLES)}"
        raise ConfigError(f"after the colon comes the role of the node: {found}")
    if role == "ensemble":
        return NodeConfig(role=role, members=tuple(words[1:]))
    if len(words) < 2:
        raise ConfigError("after the role comes what the node compares, such as T-V, or tells apart, such as T>LABEL")
    node = _read_sides(NodeConfig(role=role), words[1], known)
    rest = list(words[2:])
    given: set[str] = set()
    while rest:
        key, equals, value = cut(rest.pop(0), "=")
        if key not in SETTINGS or bool(equals) != (key == "model"):
            hint = f"write {SETTINGS[key][1]}" if key in SETTINGS else nearest(key, tuple(SETTINGS))
            raise ConfigError(f"a node has no setting {key + equals + value!r}; {hint}")
        if key in given:
            raise ConfigError(f"{key} is given twice; keep one of the two")
        given.add(key)
        if key in ("of", "from"):
            value = rest.pop(0) if rest else ""
        field, spelled = SETTINGS[key]
        read: Any = True if key == "adapter" else unquote(value)
        if not read:
            raise ConfigError(f"nothing follows {key}; write {spelled}")
        node = replace(node, **{field: read})
    check_order(node, known)
    return node


def _read_sides(node: NodeConfig, word: str, known: Sequence[Modality]) -> NodeConfig:
    left, mark, column = cut(word, ">")
    if not mark:
        pair = parse_pair(word, known)
        return replace(node, left=pair.left, right=pair.right)
    if _is_side(column, known):
        raise ConfigError(
            f"{word!r} would be a classifier of the label column {column!r}; for a node that compares two sides write "
            f'{left}-{column}, for the column write {left}>"{column}"'
        )
    label = unquote(column)
    if not label:
        raise ConfigError(f"{word!r} names no label column after the >; write {left}>COLUMN")
    return replace(node, left=unspell(left, known), label=label)


def _is_side(column: str, known: Sequence[Modality]) -> bool:
    """Whether the name of a label column, as it is written, could be letters of modalities."""
    letters = {modality.letter for modality in known}
    return bool(column) and set(column) <= letters | {"+"}


def check_order(node: NodeConfig, known: Sequence[Modality]) -> None:
    """Raise `ConfigError` where the order of a node is not made of known letters, or lacks one of its sides."""
    if not node.order:
        return
    if not node.order.isalpha():
        raise ConfigError(f"an order of a node is made of letters, such as AVT; got {node.order!r}")
    missing = set(node.modalities) - set(unspell(node.order, known))
    if missing:
        raise ConfigError(
            f"the loss of a node is of all its modalities, but {node.order!r} lacks {spell(tuple(missing), known)}; "
            "add it"
        )


def spell_node(node: NodeConfig, known: Sequence[Modality]) -> str:
    """Write what follows the colon of a node; the inverse of `read_node`."""
    words = [node.role, *node.members, spell_sides(node, known)]
    words += [f"of {node.order}"] if node.order else []
    words += [f"model={quote(node.model)}"] if node.model else []
    words += ["adapter"] if node.adapter else []
    words += [f"from {quote(node.start)}"] if node.start else []
    return " ".join(filter(None, words))


def spell_sides(node: NodeConfig, known: Sequence[Modality]) -> str:
    """Spell what a node compares or tells apart: "T-VA", "I>digit"; "" for an ensemble."""
    if not node.left:
        return ""
    if not node.classifies:
        return spell_pair(Pair(node.left, node.right), known)
    column = f'"{node.label}"' if _is_side(node.label, known) else quote(node.label)
    return f"{spell(node.left, known)}>{column}"

"""The words by which a graph's text form calls payloads and gates, read and written here only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from trichord.config import Config
from trichord.errors import ConfigError, nearest
from trichord.graphs.gates import GateConfig, GateKind
from trichord.graphs.payload import PayloadConfig
from trichord.graphs.payloads import CentroidsConfig, EmbeddingConfig, GramConfig, LogitsConfig, SimilarityConfig

PAYLOADS: Mapping[str, PayloadConfig] = {
    "similarity": SimilarityConfig(),
    "rows": SimilarityConfig(direction="rows"),
    "columns": SimilarityConfig(direction="columns"),
    "gram": GramConfig(),
    "centroids": CentroidsConfig(),
    "embedding": EmbeddingConfig(),
    "logits": LogitsConfig(),
}
"""Word -> payload with the settings that the word stands for."""


def payload_word(payload: PayloadConfig) -> str:
    """Return the word for a payload, its settings left aside; the name of its class where it has no word."""
    alike = [word for word, meant in PAYLOADS.items() if type(meant) is type(payload)]
    return min(alike, key=lambda word: len(payload_settings(payload, word)), default=type(payload).__name__)


def payload_words(kind: str, *, vectors: bool) -> tuple[str, ...]:
    """Return the words of all payloads that nodes can pass.

    Args:
        kind: what the nodes answer with, "sides" or "classes".
        vectors: whether the source has vectors, which an ensemble has not.
    """
    return tuple(
        word
        for word, payload in PAYLOADS.items()
        if payload.answers in (kind, "both") and (vectors or not payload.needs_vectors)
    )


def payload_settings(payload: PayloadConfig, word: str) -> dict[str, Any]:
    """Return the settings of a payload that are not those that its word stands for."""
    meant = PAYLOADS[word]
    values = {field.name: (getattr(payload, field.name), getattr(meant, field.name)) for field in fields(payload)}
    return {name: value for name, (value, usual) in values.items() if value != usual}


def gate_words() -> tuple[str, ...]:
    """Return the words of all gates, without what can follow an @."""
    return tuple(kind.replace(" ", "-") for kind in get_args(GateKind))


def gate_word(gate: GateConfig) -> str:
    """Spell a gate: "through", "negative-linear", "correct@5"."""
    return gate.kind.replace(" ", "-") + (f"@{gate.top}" if gate.top != 1 else "")


def is_gate(word: str) -> bool:
    """Whether a word is that of a gate."""
    return word.partition("@")[0] in gate_words()


def read_gate(word: str) -> GateConfig:
    """Read the word of a gate.

    Raises:
        ConfigError: there is no such gate, or what follows its @ is no number of places.
    """
    name, at, top = word.partition("@")
    if name not in gate_words():
        raise ConfigError(f"there is no gate {word!r}; {nearest(name, gate_words())}")
    kind = name.replace("-", " ")
    if at and (kind != "correct" or re.fullmatch("[1-9][0-9]*", top) is None):
        raise ConfigError(f"{word!r} is no gate: only correct has a number of places after it, such as correct@5")
    return GateConfig(kind=kind, top=int(top) if at else 1)  # type: ignore[arg-type]  # one of the words above


def read_setting(config: Config, name: str, text: str) -> Any:
    """Read the value of a configuration's setting: a number, or one of several words, as the setting is.

    Raises:
        ConfigError: the value is neither.
    """
    kind = get_type_hints(type(config))[name]
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ConfigError(f"there is no {name} {text!r}; {nearest(text, get_args(kind))}")
        return text
    try:
        return kind(text)
    except ValueError as error:
        described = {int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{name} is {described}, got {text!r}") from error


def spell_value(value: object) -> str:
    """Spell a value of a setting as shortly as it can be read back exactly."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)

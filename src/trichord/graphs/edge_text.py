"""An edge in the text form of a graph: a payload, a gate, and what differs from the usual settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from trichord.errors import ConfigError, nearest
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig
from trichord.graphs.payload import PayloadConfig
from trichord.graphs.statements import cut, quote, unquote
from trichord.graphs.words import (
    PAYLOADS,
    gate_word,
    gate_words,
    is_gate,
    payload_settings,
    payload_word,
    read_gate,
    read_setting,
    spell_value,
)


def read_label(words: Sequence[str]) -> GateConfig:
    """Read what follows the colon of a label edge.

    Raises:
        ConfigError: it is not one gate.
    """
    if len(words) != 1:
        found = f"; got {' '.join(words)!r}" if words else ""
        raise ConfigError(f"a label edge has a gate and nothing else, one of {', '.join(gate_words())}{found}")
    return read_gate(words[0])


def read_edge(source: str, target: str, words: Sequence[str]) -> EdgeConfig | None:
    """Read what follows the colon of an edge; one that is only said to be Cutoff is none.

    Raises:
        ConfigError: a word that has no place there, with what has.
    """
    if list(words) == ["cutoff"]:
        return None
    payload, gate = _read_payload(words)
    edge = EdgeConfig(source=source, target=target, payload=payload, gate=gate)
    settings = tuple(field.name for field in fields(payload))
    known = (*settings, "weight", "push")
    given: set[str] = set()
    for word in words[2:]:
        key, equals, value = cut(word, "=")
        if key not in known or bool(equals) == (key == "push"):
            hint = f"write {key if key == 'push' else f'{key}=VALUE'}" if key in known else nearest(key, known)
            raise ConfigError(f"{words[0]} has no setting {word!r}; {hint}")
        if key in given:
            raise ConfigError(f"{key} is given twice; keep one of the two")
        given.add(key)
        if key == "push":
            edge = replace(edge, effect="push")
        elif key == "weight":
            edge = replace(edge, weight=read_setting(edge, key, unquote(value)))
        else:
            changed = {key: read_setting(edge.payload, key, unquote(value))}
            edge = replace(edge, payload=replace(edge.payload, **changed))
    return edge


def _read_payload(words: Sequence[str]) -> tuple[PayloadConfig, GateConfig]:
    if not words:
        raise ConfigError("after the colon come a payload and a gate, such as: similarity through")
    word = words[0]
    if is_gate(word):
        raise ConfigError(f"the payload comes first, then its gate: PAYLOAD {word}; payloads: {', '.join(PAYLOADS)}")
    if word not in PAYLOADS:
        raise ConfigError(f"there is no payload {word!r}; {nearest(word, tuple(PAYLOADS))}")
    if len(words) < 2 or cut(words[1], "=")[1] or words[1] == "push":
        raise ConfigError(f"after the payload comes its gate: {word} GATE; gates: {', '.join(gate_words())}")
    return PAYLOADS[word], read_gate(words[1])


def spell_edge(edge: EdgeConfig) -> str:
    """Write what follows the colon of an edge; the inverse of `read_edge`.

    Raises:
        ConfigError: a payload that has no word.
    """
    return " ".join(_words(edge))


def _words(edge: EdgeConfig) -> Iterator[str]:
    word = payload_word(edge.payload)
    if word not in PAYLOADS:
        raise ConfigError(f"edge {edge.name}: {word} has no word in the text of a graph; write the graph as JSON")
    yield word
    yield gate_word(edge.gate)
    for name, value in payload_settings(edge.payload, word).items():
        yield f"{name}={quote(spell_value(value))}"
    if edge.weight != 1:
        yield f"weight={spell_value(edge.weight)}"
    if edge.effect == "push":
        yield "push"

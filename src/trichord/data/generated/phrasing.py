"""Captions: the value of every attribute chooses one of a few words for its slot in a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import NormalDist
from string import Formatter

import numpy as np

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.shapes import Float

WORD = re.compile(r"[\w']+")


@dataclass(frozen=True, kw_only=True)
class PhrasingConfig(Config):
    """A small language.

    Args:
        slots: slot -> its words, from the lowest value of the slot's attribute to the highest; a word has one place.
        sentences: patterns with slots in braces, "{action} the {food}"; a caption is worded by one of them, drawn.
    """

    slots: dict[str, tuple[str, ...]]
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        if any(len(words) < 2 for words in self.slots.values()):
            raise ConfigError("a slot needs two words or more, or its attribute cannot be told")
        every = [word for words in self.slots.values() for word in words]
        wrong = [word for word in every if not WORD.fullmatch(word)]
        if wrong:
            raise ConfigError(f"a word of a slot is one word, got {wrong}")
        if not self.sentences:
            raise ConfigError("a phrasing needs one sentence or more")
        for sentence in self.sentences:
            unknown = set(slots_of(sentence)) - set(self.slots)
            if unknown:
                raise ConfigError(f"the sentence {sentence!r} has slots without words: {sorted(unknown)}")
        twice = sorted({word for word in every if every.count(word) > 1 or word in self.plain_words})
        if twice:
            raise ConfigError(f"a word has one place, so that it says one thing; these have several: {twice}")

    @property
    def plain_words(self) -> tuple[str, ...]:
        """Words that stand in the sentences themselves, in order of appearance."""
        return tuple(dict.fromkeys(word for sentence in self.sentences for word in plain_words(sentence)))

    @property
    def words(self) -> tuple[str, ...]:
        """Every word a caption may hold, each once."""
        return (*(word for words in self.slots.values() for word in words), *self.plain_words)


def slots_of(sentence: str) -> tuple[str, ...]:
    """Return the slots of a sentence, in order."""
    return tuple(slot for _, slot, _, _ in Formatter().parse(sentence) if slot is not None)


def plain_words(sentence: str) -> list[str]:
    """Return the words of a sentence that are not chosen by an attribute, in order."""
    return [word for text, _, _, _ in Formatter().parse(sentence) for word in WORD.findall(text)]


def choose(values: Float[np.ndarray, " slots"], phrasing: PhrasingConfig) -> dict[str, str]:
    """Return slot -> word: the range of a standard normal value is cut into equally likely parts, one for each word."""
    places = [NormalDist().cdf(float(value)) for value in values]
    return {
        slot: words[min(int(place * len(words)), len(words) - 1)]
        for place, (slot, words) in zip(places, phrasing.slots.items(), strict=True)
    }


def caption(values: Float[np.ndarray, " slots"], phrasing: PhrasingConfig, generator: np.random.Generator) -> str:
    """Word one caption.

    Args:
        values: (slots,) attributes as the writer sees them, in units of their standard deviation.
        phrasing: the language.
        generator: draws the sentence.
    """
    return phrasing.sentences[generator.integers(len(phrasing.sentences))].format(**choose(values, phrasing))

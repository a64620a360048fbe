"""Captions to tokens, and what is looked up for each among word vectors: English as published, and Japanese."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from trichord.config import Config
from trichord.errors import ConfigError, DataError
from trichord.optional import require

if TYPE_CHECKING:
    from sudachipy import Morpheme

PURPOSE = "splitting Japanese captions into words"
MODES = ("A", "B", "C")
FORMS = ("written", "dictionary", "normalized")
# The longest input that SudachiPy takes.
SUDACHI_MAX_BYTES = 49_149
_ENGLISH = re.compile(r"[\w']+")
# Punctuation, emoji and faces made of signs; white space.
_NOT_WORDS = ("補助記号", "空白")


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a caption.

    Args:
        written: the word as the caption writes it.
        spellings: what is looked up, in this order; the first spelling that is known counts. Never empty.
    """

    written: str
    spellings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig(Config):
    """Settings of a tokenizer; `build` makes it."""


class Tokenizer(ABC):
    """Splits a caption into tokens. A pure function of the caption, the settings and `versions`."""

    config: TokenizerConfig

    @abstractmethod
    def split(self, caption: str) -> list[Token]:
        """Return the tokens in the order of the caption; none for a caption without words."""

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version of what decides the tokens beside the settings."""
        return {}


@dataclass(frozen=True, kw_only=True)
class EnglishConfig(TokenizerConfig):
    """Settings of `English`.

    Args:
        lower_case_fallback: look up the lower-case form of a token that is unknown as written. Off, as published.
    """

    lower_case_fallback: bool = False


class English(Tokenizer):
    """Runs of letters, digits, underscores and apostrophes, looked up as written (MCN, Chen et al. 2021).

    Nothing is lower-cased: GoogleNews tells "Apple" from "apple". Unicode is taken as it stands, also as published.
    """

    def __init__(self, config: EnglishConfig) -> None:
        self.config = config
        self._lower = config.lower_case_fallback

    def split(self, caption: str) -> list[Token]:
        """Split at everything that is neither a letter, a digit, an underscore nor an apostrophe."""
        return [_english(word, self._lower) for word in _ENGLISH.findall(caption)]


# Few words make up most captions; making a token anew costs ten times more than finding it.
@lru_cache(maxsize=2**17)
def _english(word: str, with_lower: bool) -> Token:
    lower = word.lower() if with_lower else word
    return Token(word, (word,) if lower == word else (word, lower))


EnglishConfig.builds = English


@dataclass(frozen=True, kw_only=True)
class JapaneseConfig(TokenizerConfig):
    """Settings of `Japanese`.

    Args:
        mode: Sudachi's unit: "A" the shortest, "B" between, "C" the longest. The longest names the thing that is seen:
            電子レンジ, where A gives 電子 and レンジ. Vectors trained on short units only need "A"; the coverage
            that `index_captions` counts shows which one the vectors know.
        forms: what is looked up for a token, in this order: "written", "dictionary" (炒め -> 炒める), "normalized"
            (also one spelling for all: きざむ -> 刻む). Vectors made from normalized text, as chiVe from 1.1 on, need
            ("normalized",).
    """

    mode: str = "C"
    forms: tuple[str, ...] = ("written",)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"JapaneseConfig.mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if not self.forms or len(set(self.forms)) < len(self.forms) or not set(self.forms) <= set(FORMS):
            raise ConfigError(f"JapaneseConfig.forms must be one or more of {', '.join(FORMS)}, got {self.forms!r}")


class Japanese(Tokenizer):
    """Words by SudachiPy with its core dictionary, after `unify_width`; punctuation, emoji and white space dropped.

    Words in Latin letters between Japanese ones are tokens too, in the case they are written in.

    Raises:
        TrichordError: SudachiPy or its dictionary is not installed.
    """

    def __init__(self, config: JapaneseConfig) -> None:
        self.config = config
        sudachi = require("sudachipy", "japanese", PURPOSE)
        require("sudachidict_core", "japanese", PURPOSE)
        dictionary = sudachi.Dictionary(dict="core")
        # The name of the method changed in SudachiPy 0.7.
        make = dictionary.tokenizer if hasattr(dictionary, "tokenizer") else dictionary.create
        self._sudachi = make(mode=getattr(sudachi.SplitMode, config.mode))
        self._forms = config.forms

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version: the dictionary decides where a word ends."""
        return {name: version(name) for name in ("sudachipy", "sudachidict-core")}

    def split(self, caption: str) -> list[Token]:
        """Split into words of the unit `mode`.

        Raises:
            DataError: the caption is no valid Unicode, or longer than SudachiPy takes (49,149 bytes).
        """
        text = unify_width(caption)
        _check(text)
        return [_token(found, self._forms) for found in self._sudachi.tokenize(text) if _is_word(found)]


JapaneseConfig.builds = Japanese


def unify_width(caption: str) -> str:
    """Apply Unicode's NFKC: ﾌﾗｲﾊﾟﾝ -> フライパン, ＡＢＣ１２ -> ABC12, marks joined to their letters."""
    return unicodedata.normalize("NFKC", caption)


def _check(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise DataError(
            f"the caption holds half of a character ({error.reason}): {text[:80]!r}", remedy="mend or remove it"
        ) from error
    if size > SUDACHI_MAX_BYTES:
        raise DataError(
            f"a caption has at most {SUDACHI_MAX_BYTES:,} bytes, this one has {size:,}: {text[:80]!r}...",
            remedy="divide it into sentences",
        )


def _is_word(found: Morpheme) -> bool:
    # Signs that the dictionary does not know count as nouns there.
    return found.part_of_speech()[0] not in _NOT_WORDS and any(map(str.isalnum, found.surface()))


def _token(found: Morpheme, forms: tuple[str, ...]) -> Token:
    written = found.surface()
    by_form = {"written": written, "dictionary": found.dictionary_form(), "normalized": found.normalized_form()}
    return Token(written, tuple(dict.fromkeys(by_form[form] for form in forms)))

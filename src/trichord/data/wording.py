"""Captions to ids of word vectors, what is not covered by them, and captions of which nothing is.

A caption without a known word never becomes a zero vector, as it does in published code: all such captions would be
one and the same query. It is counted and named, and `require_known` refuses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trichord.data.tokens import Token, Tokenizer
from trichord.errors import DataError
from trichord.shapes import Int

MAX_SHOWN = 200
MAX_TOKENS_SHOWN = 10


@dataclass(frozen=True)
class Coverage:
    """How much of some captions is known. Coverages of parts add up (+) to that of the whole.

    Args:
        captions: number of captions.
        without_known: captions without any known word, those without any word among them.
        tokens: number of tokens of all captions.
        known: tokens that have an id.
        unknown: token as written -> how often it occurs without an id; adds up to `tokens` - `known`.
    """

    captions: int
    without_known: int
    tokens: int
    known: int
    unknown: Mapping[str, int]

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.captions + other.captions,
            self.without_known + other.without_known,
            self.tokens + other.tokens,
            self.known + other.known,
            Counter(self.unknown) + Counter(other.unknown),
        )

    def most_frequent_unknown(self, number: int = 20) -> tuple[tuple[str, int], ...]:
        """Return the most frequent unknown tokens and how often each occurs; equals in the order of their letters."""
        return tuple(sorted(self.unknown.items(), key=lambda entry: (-entry[1], entry[0]))[:number])


@dataclass(frozen=True)
class IndexedCaptions:
    """The known words of captions, as ids.

    Args:
        ids: (words,) ids of all captions one after the other, each in the order of its caption; never cut.
        offsets: (captions + 1,) where each caption begins in `ids`, and the end of the last.
        coverage: what is known of them.
    """

    ids: Int[np.ndarray, " words"]
    offsets: Int[np.ndarray, " boundaries"]
    coverage: Coverage

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, caption: int) -> Int[np.ndarray, " words"]:
        """Return the ids of one caption."""
        if not 0 <= caption < len(self):
            raise IndexError(caption)
        return self.ids[self.offsets[caption] : self.offsets[caption + 1]]

    def without_known(self) -> Int[np.ndarray, " captions"]:
        """Return the captions without any known word, ascending."""
        return np.flatnonzero(np.diff(self.offsets) == 0)


def wanted_words(captions: Sequence[str], tokenizer: Tokenizer) -> frozenset[str]:
    """Return every spelling that `index_captions` would look up: the words to read vectors for.

    Raises:
        DataError: as `index_captions`.
    """
    return frozenset(word for tokens in _split(captions, tokenizer) for token in tokens for word in token.spellings)


def index_captions(captions: Sequence[str], tokenizer: Tokenizer, lookup: Mapping[str, int]) -> IndexedCaptions:
    """Turn captions into ids; a token counts by the first of its spellings that is known, or is left out and counted.

    Args:
        captions: the captions.
        tokenizer: splits them.
        lookup: word -> id, for instance `Vocabulary.ids()`.

    Raises:
        DataError: a caption is no text, or its tokenizer refuses it.
    """
    ids: list[int] = []
    offsets = np.zeros(len(captions) + 1, np.int64)
    unknown: Counter[str] = Counter()
    for row, tokens in enumerate(_split(captions, tokenizer)):
        for token in tokens:
            found = _find(token, lookup)
            if found is None:
                unknown[token.written] += 1
            else:
                ids.append(found)
        offsets[row + 1] = len(ids)
    without_known = int((np.diff(offsets) == 0).sum())
    coverage = Coverage(len(captions), without_known, len(ids) + unknown.total(), len(ids), unknown)
    return IndexedCaptions(np.array(ids, np.int64), offsets, coverage)


def require_known(
    captions: Sequence[str],
    indexed: IndexedCaptions,
    tokenizer: Tokenizer,
    *,
    file: str | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Raise for captions without any known word, and show the first of them with its tokens.

    Args:
        captions: the captions that were indexed.
        indexed: what `index_captions` made of them.
        tokenizer: what split them.
        file: where they are from, for the message.
        names: what to call each caption in the message; its number where there are no names.

    Raises:
        DataError: a caption holds no known word.
    """
    if len(captions) != len(indexed):
        raise DataError(f"{len(captions)} captions, but {len(indexed)} were indexed", remedy="give the same captions")
    rows = indexed.without_known()
    if not len(rows):
        return
    first = int(rows[0])
    raise DataError(
        f"{len(rows):,} of {len(captions):,} captions hold no word that has a vector, and would all become the same "
        f"point; first {show_caption(captions[first])} ({_show_tokens(tokenizer.split(captions[first]))})",
        file=file,
        row=first if names is None else names[first],
        remedy="leave these captions out, mend them, or take word vectors and a tokenizer of their language",
    )


def show_caption(caption: str) -> str:
    """Quote a caption for a message, cut where it is long."""
    return repr(caption) if len(caption) <= MAX_SHOWN else f"{caption[:MAX_SHOWN]!r}..."


def _show_tokens(tokens: Sequence[Token]) -> str:
    if not tokens:
        return "it holds no words at all"
    shown = ", ".join(repr(token.written) for token in tokens[:MAX_TOKENS_SHOWN])
    return f"unknown: {shown}{', ...' if len(tokens) > MAX_TOKENS_SHOWN else ''}"


def _find(token: Token, lookup: Mapping[str, int]) -> int | None:
    return next((lookup[word] for word in token.spellings if word in lookup), None)


def _split(captions: Sequence[object], tokenizer: Tokenizer) -> Iterator[list[Token]]:
    assert not isinstance(captions, str), "captions are a sequence of strings, not one string"
    for row, caption in enumerate(captions):
        if not isinstance(caption, str):
            raise DataError(
                f"a caption is text, found {type(caption).__name__}: {caption!r}", row=row, remedy="write text there"
            )
        try:
            tokens = tokenizer.split(caption)
        except DataError as error:
            raise DataError(error.rule, row=row, remedy=error.remedy) from error
        yield tokens

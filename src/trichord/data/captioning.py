"""The captions of a data set as word ids: words are looked up once, when all captions are known, then indexed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.data.specification import WordsSource
from trichord.data.tokens import Tokenizer
from trichord.data.word2vec import Vocabulary, check_word2vec, read_source, read_vocabulary
from trichord.data.wording import Coverage, index_captions, wanted_words
from trichord.shapes import Int


@dataclass(frozen=True)
class WordedCaptions:
    """Captions and the ids of their words.

    Args:
        captions: the captions of every item of which a word is known.
        ids: (words,) ids, one caption after another.
        lengths: number of words of each of these captions, item by item.
        wordless: (item, caption) of which no word is known; they are not among `captions`.
        coverage: how much is known.
    """

    captions: list[list[str]]
    ids: Int[np.ndarray, " words"]
    lengths: list[list[int]]
    wordless: list[tuple[int, str]]
    coverage: Coverage


@dataclass(frozen=True)
class Wording:
    """How captions become ids.

    Args:
        tokenizer: cuts captions into words.
        vectors: file of word vectors, word2vec binary.
    """

    tokenizer: Tokenizer
    vectors: Path

    def describe(self) -> tuple[WordsSource, int]:
        """Return what dataset.json says about the words, and the width of the vectors; the file is not scanned.

        Raises:
            DataError: the file is missing or no word2vec binary file.
        """
        source = read_source(self.vectors)
        settings = {**self.tokenizer.config.to_dict(), **self.tokenizer.versions}
        name = type(self.tokenizer).__name__
        described = json.dumps({key: value for key, value in settings.items() if key != "config"}, ensure_ascii=False)
        return WordsSource(source.file, source.fingerprint, f"{name} {described}"), source.dim

    def check(self) -> None:
        """Scan the file of word vectors, so that a bad one is refused before long work; 2 s per million words.

        Raises:
            DataError: it is damaged, or a vector in it is not finite.
        """
        check_word2vec(self.vectors)

    def look_up(self, captions: Iterable[Sequence[str]], *, progress: bool = False) -> Vocabulary:
        """Read the vectors of the words of the captions of all items; the file is scanned once."""
        wanted: set[str] = set()
        for of_item in captions:
            wanted |= wanted_words(of_item, self.tokenizer)
        return read_vocabulary(self.vectors, wanted, progress=progress)

    def index(self, captions: Sequence[Sequence[str]], ids: Mapping[str, int]) -> WordedCaptions:
        """Turn the words of the captions of some items into ids, `Vocabulary.ids()`."""
        indexed = index_captions([caption for of_item in captions for caption in of_item], self.tokenizer, ids)
        kept: list[list[str]] = []
        lengths: list[list[int]] = []
        wordless: list[tuple[int, str]] = []
        counts = iter(np.diff(indexed.offsets).tolist())
        for item, of_item in enumerate(captions):
            counted = [(caption, next(counts)) for caption in of_item]
            kept.append([caption for caption, number in counted if number])
            lengths.append([number for _, number in counted if number])
            wordless += [(item, caption) for caption, number in counted if not number]
        return WordedCaptions(kept, indexed.ids.astype(np.int32), lengths, wordless, indexed.coverage)

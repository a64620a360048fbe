from __future__ import annotations

import csv
import gzip
import inspect
import json
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from trichord.data.tokens import EnglishConfig, JapaneseConfig
from trichord.data.word2vec import read_vocabulary, write_word2vec
from trichord.data.wording import index_captions, require_known, show_caption, wanted_words
from trichord.errors import DataError

FOLDER = Path(os.environ.get("TRICHORD_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "captions"
CAPTIONS = ["Chop the onion", "", "xyzzy !", "the the Onion pan", "xyzzy plugh"]
LOOKUP = {"the": 4, "onion": 0, "Chop": 7, "pan": 2}
ENGLISH = EnglishConfig().build()


def test_captions_become_ids_in_their_order():
    indexed = index_captions(CAPTIONS, ENGLISH, LOOKUP)
    assert [indexed[row].tolist() for row in range(len(indexed))] == [[7, 4, 0], [], [], [4, 4, 2], []]
    assert indexed.without_known().tolist() == [1, 2, 4]
    coverage = indexed.coverage
    assert (coverage.captions, coverage.without_known, coverage.tokens, coverage.known) == (5, 3, 10, 6)
    assert coverage.most_frequent_unknown() == (("xyzzy", 2), ("Onion", 1), ("plugh", 1))
    equals = index_captions(["pear fig fig apple pear"], ENGLISH, LOOKUP).coverage
    assert equals.most_frequent_unknown() == (("fig", 2), ("pear", 2), ("apple", 1))
    assert coverage.most_frequent_unknown(1) == (("xyzzy", 2),)
    with pytest.raises(IndexError):
        indexed[5]
    with pytest.raises(IndexError):
        indexed[-1]


def test_the_written_form_comes_before_the_lower_case_form():
    tokenizer = EnglishConfig(lower_case_fallback=True).build()
    captions = ["Apple apple Onion ONION Zucchini"]
    lookup = {"Apple": 0, "apple": 1, "onion": 2}
    assert wanted_words(captions, tokenizer) == {"Apple", "apple", "Onion", "onion", "ONION", "Zucchini", "zucchini"}
    indexed = index_captions(captions, tokenizer, lookup)
    assert indexed[0].tolist() == [0, 1, 2, 2]
    assert indexed.coverage.unknown == {"Zucchini": 1}
    assert index_captions(captions, ENGLISH, lookup)[0].tolist() == [0, 1]


def test_coverage_of_parts_adds_up_to_that_of_the_whole():
    whole = index_captions(CAPTIONS, ENGLISH, LOOKUP).coverage
    parts = [index_captions(part, ENGLISH, LOOKUP).coverage for part in (CAPTIONS[:2], CAPTIONS[2:4], CAPTIONS[4:], [])]
    assert parts[0] + parts[1] + parts[2] + parts[3] == whole


def test_no_captions():
    indexed = index_captions([], ENGLISH, LOOKUP)
    assert len(indexed) == 0
    assert indexed.ids.tolist() == []
    assert wanted_words([], ENGLISH) == frozenset()
    require_known([], indexed, ENGLISH)


def test_no_caption_becomes_nothing_without_a_word_said():
    indexed = index_captions(CAPTIONS, ENGLISH, LOOKUP)
    with pytest.raises(DataError, match=r"3 of 5 captions hold no word.*first ''.*no words at all.*mend them"):
        require_known(CAPTIONS, indexed, ENGLISH)
    names = ["a", "b", "c", "d", "e"]
    part = CAPTIONS[2:4]
    few = index_captions(part, ENGLISH, LOOKUP)
    with pytest.raises(DataError, match=r"captions\.csv, row 'c': 1 of 2 .*'xyzzy !' \(unknown: 'xyzzy'\)"):
        require_known(part, few, ENGLISH, file="captions.csv", names=names[2:4])
    known = [CAPTIONS[0], CAPTIONS[3]]
    require_known(known, index_captions(known, ENGLISH, LOOKUP), ENGLISH)
    with pytest.raises(DataError, match="2 captions, but 5 were indexed"):
        require_known(known, indexed, ENGLISH)


def test_long_captions_are_cut_in_messages():
    caption = " ".join(f"q{number}" for number in range(1000))
    with pytest.raises(DataError) as caught:
        require_known([caption], index_captions([caption], ENGLISH, LOOKUP), ENGLISH)
    assert "q40" in str(caught.value)
    assert len(str(caught.value)) < 700
    assert show_caption("short\n") == r"'short\n'"


@pytest.mark.parametrize("caption", [None, float("nan"), 3, b"bytes"])
def test_a_caption_that_is_no_text_is_named(caption):
    captions = ["the", caption]
    with pytest.raises(DataError, match=r"row 1: a caption is text, found"):
        # Without the type checks of the tests, as in production.
        inspect.unwrap(index_captions)(captions, ENGLISH, LOOKUP)


def test_one_string_is_not_a_list_of_captions():
    with pytest.raises(AssertionError, match="one string"):
        wanted_words("the onion", ENGLISH)


def test_japanese_from_captions_to_vectors(tmp_path):
    pytest.importorskip("sudachipy", reason="SudachiPy is not installed: pip install 'trichord[japanese]'")
    tokenizer = JapaneseConfig(forms=("written", "dictionary")).build()
    captions = ["玉ねぎを薄く切ります。", "ﾌﾗｲﾊﾟﾝで炒めた😋", "にんじん", "😋"]
    vectors = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    write_word2vec(tmp_path / "ja.bin", ["を", "切る", "フライパン", "玉ねぎ", "炒める", "猫"], vectors)
    vocabulary = read_vocabulary(tmp_path / "ja.bin", wanted_words(captions, tokenizer))
    assert vocabulary.words == ("を", "切る", "フライパン", "玉ねぎ", "炒める")
    indexed = index_captions(captions, tokenizer, vocabulary.ids())
    assert [indexed[row].tolist() for row in range(4)] == [[3, 0, 1], [2, 4], [], []]
    assert indexed.coverage.unknown == {"薄く": 1, "ます": 1, "で": 1, "た": 1, "にんじん": 1}
    with pytest.raises(DataError, match="row 1: the caption holds half of a character"):
        index_captions(["猫", "猫\ud83d"], tokenizer, vocabulary.ids())
    with pytest.raises(DataError, match=r"2 of 4 captions.*'にんじん'.*unknown: 'にんじん'"):
        require_known(captions, indexed, tokenizer)


def youcook2() -> list[str]:
    with open(FOLDER / "youcook2_validation_clips.csv", encoding="utf-8") as stream:
        return [row["text"] for row in csv.DictReader(stream)]


def msrvtt() -> list[str]:
    with gzip.open(FOLDER / "msrvtt_1kA.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line)["caption"] for line in stream]


@pytest.mark.real
@pytest.mark.parametrize(("read", "number"), [(youcook2, 3350), (msrvtt, 10_000)])
def test_real_captions_agree_with_a_plain_count(tmp_path, read, number):
    if not FOLDER.is_dir():
        pytest.skip(f"real captions are not at {FOLDER}")
    captions = read()
    assert len(captions) == number
    plain = [re.findall(r"[\w']+", caption) for caption in captions]
    counts = Counter(word for words in plain for word in words)
    # The file knows the frequent words and some that no caption has, but as GoogleNews not "a", "and", "of", "to".
    frequent = [word for word, times in counts.items() if times > 2 and word not in ("a", "and", "of", "to")]
    file_words = [*frequent, *(f"other{n}" for n in range(5000))]
    vectors = np.random.default_rng(0).standard_normal((len(file_words), 8)).astype(np.float32)
    write_word2vec(tmp_path / "vectors.bin", file_words, vectors)
    wanted = wanted_words(captions, ENGLISH)
    assert wanted == set(counts)
    vocabulary = read_vocabulary(tmp_path / "vectors.bin", wanted)
    assert list(vocabulary.words) == frequent
    indexed = index_captions(captions, ENGLISH, vocabulary.ids())
    rows = {word: row for row, word in enumerate(frequent)}
    assert [indexed[row].tolist() for row in range(number)] == [
        [rows[word] for word in words if word in rows] for words in plain
    ]
    coverage = indexed.coverage
    assert coverage.tokens == counts.total()
    assert coverage.known == sum(counts[word] for word in frequent)
    assert dict(coverage.unknown) == {word: times for word, times in counts.items() if word not in rows}
    assert {"a", "and", "of", "to"} <= {word for word, _ in coverage.most_frequent_unknown(20)}
    assert indexed.without_known().tolist() == [row for row, words in enumerate(plain) if not set(words) & set(rows)]

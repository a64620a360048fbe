from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

from trichord.data.word2vec import check_word2vec, read_source, read_vocabulary, write_word2vec
from trichord.errors import DataError

WORDS = [b"</s>", b"in", b"New_York", "玉ねぎ".encode(), b"caf\xe9", b"\xff\xfe", b"'", b"a" * 300, "é".encode()]


def encode(words, vectors, *, line_break=b"\n", header=None):
    """Bytes of a word2vec file; words are bytes."""
    head = b"%d %d\n" % vectors.shape if header is None else header
    rows = [
        word + b" " + vector.astype("<f4").tobytes() + line_break for word, vector in zip(words, vectors, strict=True)
    ]
    return head + b"".join(rows)


def naive(data, dim):
    """An independent reader that holds everything: bytes of the first occurrence of each word -> vector."""
    count, _, position = int(data.split(b" ")[0]), 0, data.index(b"\n") + 1
    found = {}
    for _ in range(count):
        word = bytearray()
        while data[position : position + 1] != b" ":
            if data[position] != ord("\n"):
                word.append(data[position])
            position += 1
        position += 1
        found.setdefault(bytes(word), np.frombuffer(data, "<f4", dim, position))
        position += 4 * dim
    return found


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((len(WORDS), 6)).astype(np.float32)


def save(tmp_path, data):
    path = tmp_path / "vectors.bin"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("line_break", [b"\n", b""])
def test_wanted_words_are_read_bit_for_bit(tmp_path, vectors, line_break):
    data = encode(WORDS, vectors, line_break=line_break)
    reference = naive(data, 6)
    wanted = {"玉ねぎ", "in", "é", "a" * 300, "absent", "IN", "", "new york", "New_York", "\ud800", "caf\ufffd"}
    found = read_vocabulary(save(tmp_path, data), wanted)
    assert found.words == ("in", "New_York", "玉ねぎ", "a" * 300, "é")
    for word, vector in zip(found.words, found.vectors, strict=True):
        np.testing.assert_array_equal(vector, reference[word.encode()])
    assert found.vectors.dtype == np.float32
    assert (found.repeated, found.zero) == (0, ())
    assert (found.source.file, found.source.count, found.source.dim) == ("vectors.bin", len(WORDS), 6)
    assert found.ids() == {"in": 0, "New_York": 1, "玉ねぎ": 2, "a" * 300: 3, "é": 4}


def test_a_long_file_agrees_with_the_naive_reader(tmp_path):
    random = np.random.default_rng(1)
    # Raw bytes as vectors: spaces and line breaks occur inside them. More words than one block of the scan.
    count, dim = 20_000, 3
    raw = random.integers(0, 256, (count, 4 * dim), dtype=np.uint8)
    raw[:, 3::4] = 0x20  # the last byte of every number is a space, which also keeps it finite
    words = [b"w%d" % random.integers(15_000) for _ in range(count)]
    data = encode(words, raw.view("<f4"), line_break=b"")
    reference = naive(data, dim)
    wanted = {f"w{number}" for number in range(0, 15_000, 3)}
    found = read_vocabulary(save(tmp_path, data), wanted)
    assert list(found.words) == [word.decode() for word in reference if word.decode() in wanted]
    np.testing.assert_array_equal(found.vectors, [reference[word.encode()] for word in found.words])
    assert found.repeated == sum(word.decode() in wanted for word in words) - len(found.words) > 0


def test_the_first_vector_of_a_repeated_word_counts(tmp_path):
    vectors = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    found = read_vocabulary(save(tmp_path, encode([b"a", b"b", b"a", b"a"], vectors)), ["a", "b"])
    np.testing.assert_array_equal(found.vectors, vectors[:2])
    assert found.repeated == 2


def test_nothing_wanted_or_nothing_found(tmp_path, vectors):
    path = save(tmp_path, encode(WORDS, vectors))
    for wanted in ([], ["absent"]):
        found = read_vocabulary(path, wanted)
        assert found.words == ()
        assert found.vectors.shape == (0, 6)


def test_a_zero_vector_is_left_out_and_named(tmp_path, vectors):
    vectors[1] = 0
    found = read_vocabulary(save(tmp_path, encode(WORDS, vectors)), {"in", "New_York"})
    assert (found.words, found.zero) == (("New_York",), ("in",))
    np.testing.assert_array_equal(found.vectors, vectors[2:3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_matter_where_they_are_wanted(tmp_path, vectors, bad):
    vectors[2, 3] = bad
    path = save(tmp_path, encode(WORDS, vectors))
    assert read_vocabulary(path, {"in"}).words == ("in",)
    with pytest.raises(DataError, match=r"vectors\.bin, row 'New_York'.*NaN or infinity"):
        read_vocabulary(path, {"in", "New_York"})


def test_a_file_is_checked_whole(tmp_path):
    names = [b"w%d" % number for number in range(9_000)]  # of two blocks
    vectors = np.ones((9_000, 4), np.float32)
    data = encode(names, vectors)
    check_word2vec(save(tmp_path, data))
    with pytest.raises(DataError, match="truncated in word 9,000 of 9,000"):
        check_word2vec(save(tmp_path, data[:-3]))
    with pytest.raises(DataError, match="ends before word 9,001 of 9,999"):
        check_word2vec(save(tmp_path, data.replace(b"9000 4", b"9999 4", 1)))
    vectors[8_500, 1] = np.inf
    with pytest.raises(DataError, match=r"row 'w8500'.*NaN or infinity"):
        check_word2vec(save(tmp_path, encode(names, vectors)))


def test_only_what_is_kept_is_held(tmp_path):
    vectors = np.ones((30_000, 100), np.float32)
    path = save(tmp_path, encode([b"w%d" % number for number in range(30_000)], vectors))
    tracemalloc.start()
    found = read_vocabulary(path, {f"w{number}" for number in range(0, 30_000, 100)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.vectors.shape == (300, 100)
    assert peak < 1_000_000 < path.stat().st_size / 10


def test_the_fingerprint_tells_files_apart(tmp_path, vectors):
    path = save(tmp_path, encode(WORDS, vectors))
    before = read_source(path)
    assert read_vocabulary(path, ["in"]).source == before == read_source(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert read_source(path).fingerprint != before.fingerprint
    path.write_bytes(bytes(data) + b"\n")
    assert len({read_source(path).fingerprint, before.fingerprint}) == 2


def test_what_is_written_is_read(tmp_path, vectors):
    words = ["in", "玉ねぎ", "New_York"]
    write_word2vec(tmp_path / "out.bin", words, vectors[:3])
    assert (tmp_path / "out.bin").read_bytes() == encode([word.encode() for word in words], vectors[:3])
    found = read_vocabulary(tmp_path / "out.bin", set(words))
    assert found.words == tuple(words)
    np.testing.assert_array_equal(found.vectors, vectors[:3])


@pytest.mark.parametrize("words", [["a b", "c"], ["", "c"], ["a\n", "c"], ["a\u3000", "c"], ["\ud800", "c"], ["c"], []])
def test_words_the_format_cannot_hold_are_not_written(tmp_path, vectors, words):
    with pytest.raises(DataError):
        write_word2vec(tmp_path / "out.bin", words, vectors[:2])
    assert not (tmp_path / "out.bin").exists()


def text(words, vectors):
    lines = [
        " ".join([word, *(f"{value:.4f}" for value in vector)]) for word, vector in zip(words, vectors, strict=True)
    ]
    return "\n".join([f"{len(words)} {vectors.shape[1]}", *lines, ""]).encode()


BIG = np.random.default_rng(2).standard_normal((200, 50)).astype(np.float32)
NAMES = [b"word%d" % number for number in range(200)]
SHORT = [name[3:] for name in NAMES]
WHOLE = encode(NAMES, BIG)
HOSTILE = {
    "empty": (b"", "not a word2vec binary file: it begins with b''"),
    "no header": (b"the 0.1 0.2\n", "not a word2vec binary file.*convert"),
    "pickle": (b"\x80\x04\x95", "not a word2vec binary file"),
    "endless header": (b"1" * 10_000, "not a word2vec binary file"),
    "negative": (encode(NAMES, BIG, header=b"-200 50\n"), "not a word2vec binary file"),
    "zero words": (encode(NAMES, BIG, header=b"0 50\n"), "0 words of 50"),
    "zero dim": (encode(NAMES, BIG, header=b"200 0\n"), "200 words of 0"),
    "header only": (b"200 50\n", r"row 1: the file ends before word 1 of 200"),
    "gzip": (gzip.compress(WHOLE), r"packed \(gzip\).*[Uu]npack"),
    "text": (text([name.decode() for name in NAMES], BIG), "text format.*gensim"),
    "text in words of one letter": (text(["a", "b"], BIG[:2, :1]), "text format"),
    "truncated in a vector": (WHOLE[:-30], r"row 200: the file is truncated in word 200 of 200"),
    "truncated in a word": (
        WHOLE[: len(b"200 50\n") + len(encode(NAMES[:90], BIG[:90], header=b"")) + 3],
        "in word 91 of",
    ),
    "truncated between words": (encode(NAMES[:150], BIG[:150], header=b"200 50\n"), "ends before word 151 of 200"),
    "last vector short by one byte": (encode(NAMES, BIG, line_break=b"")[:-1], "truncated in word 200"),
    "more words than stated": (encode(NAMES, BIG, header=b"190 50\n"), "states 190 words, but 2,[0-9]+ bytes follow"),
    "bytes after the end": (WHOLE + b"x", "states 200 words, but [12] bytes follow"),
    "two line breaks at the end": (WHOLE + b"\n", "states 200 words, but 2 bytes follow"),
    "dim too small by one": (encode(NAMES, BIG, header=b"200 49\n"), "states 49 numbers.*does not read as words"),
    "dim too large by one": (encode(SHORT, BIG, header=b"200 51\n"), "states 51 numbers.*does not read as words"),
    "dim too large by less than a word": (encode(NAMES, BIG, header=b"200 51\n"), "in word 200 of 200.*count or dim"),
    "dim half": (encode(NAMES, BIG, header=b"200 25\n"), "states 25 numbers.*does not read as words"),
    "dim larger than the file": (encode(NAMES, BIG, header=b"200 999999\n"), "truncated in word 1 of 200"),
    "count beyond all files": (encode(NAMES, BIG, header=b"999999999999 50\n"), "ends before word 201 of 999,999"),
    "no space at all": (b"1 50\n" + b"x" * 100_000, "no space ends word 1 of 1|does not read as words"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_the_place(tmp_path, name):
    data, message = HOSTILE[name]
    with pytest.raises(DataError, match=message) as caught:
        read_vocabulary(save(tmp_path, data), {"word1", "word199"})
    assert "vectors.bin" in str(caught.value)


@pytest.mark.parametrize("cut", range(0, len(encode(NAMES[:3], BIG[:3])) - 1, 7))
def test_no_truncation_goes_unnoticed(tmp_path, cut):
    with pytest.raises(DataError):
        read_vocabulary(save(tmp_path, encode(NAMES[:3], BIG[:3])[:cut]), {"word0"})


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "absent.bin", tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            read_vocabulary(path, {"a"})


def test_a_file_whose_words_are_no_text_is_still_read(tmp_path):
    words = [bytes([128 + number, 255]) for number in range(60)] + [b"known"]
    found = read_vocabulary(save(tmp_path, encode(words, BIG[:61])), {"known"})
    np.testing.assert_array_equal(found.vectors, BIG[60:61])

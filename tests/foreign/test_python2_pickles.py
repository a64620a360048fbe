"""Bytes written by Python 2.7 with NumPy 1.16, and some by hand."""

import pickle

import numpy as np
import pytest
from foreign_cases import assert_same

from trichord.errors import DataError
from trichord.foreign import read_pickle

CPICKLE_2 = (
    b"\x80\x02]q\x01}q\x02(U\x022dq\x03cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85U\x01b"
    b"\x87Rq\x06(K\x01K\x02\x85cnumpy\ndtype\nq\x07U\x02f4K\x00K\x01\x87Rq\x08(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff"
    b"\xff\xffK\x00tb\x89U\x08\x00\x00\xc0?\x00\x00\x00\xc0tbU\x03capq\tU\x05caf\xc3\xa9q\nX\x01\x00\x00\x00eX\x03\x00"
    b"\x00\x00\xe2\x82\xacU\x02idq\x0bU\x03abcq\x0cU\x01ncnumpy.core.multiarray\nscalar\nq\rh\x07U\x02f8K\x00K\x01\x87R"
    b"q\x0e(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08\x00\x00\x00\x00\x00\x00\x08@\x86Rq\x0fua."
)
PICKLE_0 = (
    b"(lp0\n(dp1\nS'2d'\np2\ncnumpy.core.multiarray\n_reconstruct\np3\n(cnumpy\nndarray\np4\n(I0\ntp5\nS'b'\np6\ntp7\n"
    b"Rp8\n(I1\n(I2\ntp9\ncnumpy\ndtype\np10\n(S'f4'\np11\nI0\nI1\ntp12\nRp13\n(I3\nS'<'\np14\nNNNI-1\nI-1\nI0\ntp15\n"
    b"bI00\nS'\\x00\\x00\\xc0?\\x00\\x00\\x00\\xc0'\np16\ntp17\nbsS'cap'\np18\nS'caf\\xc3\\xa9'\np19\nsVe\np20\n"
    b"V\\u20ac\np21\nsS'id'\np22\nS'abc'\np23\nsS'n'\np24\ncnumpy.core.multiarray\nscalar\np25\n(g10\n(S'f8'\np26\nI0\n"
    b"I1\ntp27\nRp28\n(I3\nS'<'\np29\nNNNI-1\nI-1\nI0\ntp30\nbS'\\x00\\x00\\x00\\x00\\x00\\x00\\x08@'\np31\ntp32\nRp33\n"
    b"sa."
)
VECTOR = np.array([1.5, -2], np.float32)


@pytest.fixture
def read(tmp_path):
    def write_and_read(data, **options):
        (tmp_path / "old.pkl").write_bytes(data)
        return read_pickle(tmp_path / "old.pkl", **options)

    return write_and_read


@pytest.mark.parametrize("data", [CPICKLE_2, PICKLE_0], ids=["cPickle 2", "pickle 0"])
@pytest.mark.parametrize(("encoding", "caption"), [("utf-8", "café"), ("latin-1", "cafÃ©")])
def test_records_of_python_2(data, encoding, caption, read):
    assert_same(read(data, python2_text=encoding), [{"2d": VECTOR, "cap": caption, "e": "€", "id": "abc", "n": 3.0}])


def test_python_3_agrees_where_it_can_read_them():
    for data in (CPICKLE_2, PICKLE_0):
        (record,) = pickle.loads(data, encoding="latin1")
        np.testing.assert_array_equal(record["2d"], VECTOR)
        assert record["cap"] == "cafÃ©"


def test_text_in_another_encoding_is_not_guessed(read):
    latin = CPICKLE_2.replace(b"U\x05caf\xc3\xa9", b"U\x04caf\xe9")
    with pytest.raises(DataError, match=r"row '0/cap': text written by Python 2 is not utf-8 .* python2_text"):
        read(latin)
    assert read(latin, python2_text="latin-1")[0]["cap"] == "café"


def test_an_ordered_dict_of_python_2_is_a_list_of_pairs(read):
    data = b"\x80\x02ccollections\nOrderedDict\nq\x00]q\x01(]q\x02(U\x01bK\x01e]q\x03(U\x01aK\x02ee\x85Rq\x04."
    assert_same(read(data), {"b": 1, "a": 2})


def test_a_byte_text_and_a_text_that_collide_as_keys_are_refused(read):
    with pytest.raises(DataError, match="the key 'é' occurs twice"):
        read(b"\x80\x02}(U\x02\xc3\xa9K\x01X\x02\x00\x00\x00\xc3\xa9K\x02u.")


@pytest.mark.parametrize("spelling", [b"S'a'\n", b'S"a"\n', b"T\x01\0\0\0a", b"U\x01a"])
def test_every_spelling_of_old_text(spelling, read):
    assert read(spelling + b".") == "a"


@pytest.mark.parametrize("broken", [b"Sa\n", b"S'a\n", b"S'\\x0'\n", b"S'\n", b"T\xff\xff\xff\xffa"])
def test_broken_old_text(broken, read):
    with pytest.raises(DataError):
        read(broken + b".")

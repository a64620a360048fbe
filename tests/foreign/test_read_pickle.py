import gzip
import pickle

import numpy as np
import pytest
import torch
from foreign_cases import arrays, assert_same, expected, plain_values, tensors

from trichord.errors import ConfigError, DataError
from trichord.foreign import read_pickle

PROTOCOLS = range(6)


@pytest.fixture
def reread(tmp_path):
    def write_and_read(value, protocol):
        path = tmp_path / "file.pkl"
        path.write_bytes(pickle.dumps(value, protocol))
        return read_pickle(path)

    return write_and_read


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("make", [arrays, tensors, plain_values])
def test_what_is_pickled_comes_back(make, protocol, reread):
    value = make()
    assert_same(reread(value, protocol), expected(value))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_records_of_the_lineage(protocol, reread):
    records = [
        {
            "id": f"é{number}",
            "2d": np.full(2048, number, np.float32),
            "3d": np.full((3, 2048), number, np.float16),
            "audio": torch.full((40, 20), float(number)),
            "caption": ["one", "two"],
            "eval_caption": "three",
        }
        for number in range(3)
    ]
    assert_same(reread(records, protocol), expected(records))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_shared_stays_shared(protocol, reread):
    array, row, storage = np.arange(3.0), [1, 2], torch.arange(6.0)
    same = reread([array, array, row, row, (row, array)], protocol)
    assert same[0] is same[1] is same[4][1]
    assert same[2] is same[3] is same[4][0]
    one, other = reread([storage.reshape(2, 3), storage[2:]], protocol)
    np.testing.assert_array_equal(one, storage.reshape(2, 3))
    np.testing.assert_array_equal(other, storage[2:])


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_are_views_on_the_file(protocol, reread):
    array, tensor = reread([np.ones(4000, np.float32), torch.ones(4000)], protocol)
    assert array.base is not None
    assert tensor.base is not None
    assert not array.flags.owndata
    assert not tensor.flags.owndata


def test_python_and_this_reader_agree_on_every_way_to_write_a_number(tmp_path):
    for line in (
        b"I7\n.",
        b"I01\n.",
        b"I00\n.",
        b"L5L\n.",
        b"L-5\n.",
        b"F1.5\n.",
        b"Fnan\n.",
        b"\x8a\x00.",
        b"\x8b\x01\0\0\0\xff.",
    ):
        (tmp_path / "n.pkl").write_bytes(line)
        np.testing.assert_equal(read_pickle(tmp_path / "n.pkl"), pickle.loads(line))


def test_stack_instructions_that_picklers_seldom_write(tmp_path):
    # a value dropped, a mark dropped, a value doubled, a list and a dict made from a mark, memo by name
    for data in (
        b"K\x01K\x020.",
        b"K\x01(K\x02K\x031.",
        b"K\x052\x86.",
        b"(K\x01K\x02l.",
        b"(K\x01K\x02d.",
        b"K\x09p5\n0g5\n.",
    ):
        (tmp_path / "s.pkl").write_bytes(data)
        assert_same(read_pickle(tmp_path / "s.pkl"), pickle.loads(data))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n", "not a pickle"),
        (b"hello, world", "not a pickle"),
        (b"id,caption\n1,a", "not a pickle"),
        (b'{"a": 1}', "not a pickle"),
        (gzip.compress(pickle.dumps([1]), mtime=0), "packed with gzip"),
        (b"\x80\x06N.", "protocol 6"),
        (pickle.dumps([1]) * 2, "5 bytes follow|bytes follow the end"),
    ],
)
def test_files_of_another_kind_say_what_they_are(data, says, tmp_path):
    (tmp_path / "f.pkl").write_bytes(data)
    with pytest.raises(DataError, match=says) as caught:
        read_pickle(tmp_path / "f.pkl")
    assert "f.pkl" in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none.pkl", tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            read_pickle(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_save_are_sent_next_door(zipped, tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "f.pkl", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match="read_torch_file"):
        read_pickle(tmp_path / "f.pkl")


def test_the_place_of_a_fault_is_named(tmp_path):
    whole = pickle.dumps([{"id": "x"}, {"audio": torch.ones(2, 3)}], 2)
    (tmp_path / "f.pkl").write_bytes(whole.replace(b"K\x02K\x03\x86", b"K\x02K\x09\x86"))
    with pytest.raises(DataError, match=r"f\.pkl, row '1/audio': a tensor of shape \(2, 9\).* storage of 6"):
        read_pickle(tmp_path / "f.pkl")


def test_an_unknown_encoding_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ConfigError, match="latin-1"):
        read_pickle(tmp_path / "f.pkl", python2_text="punycode")

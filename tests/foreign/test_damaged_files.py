"""Whatever the bytes are, reading them returns plain data or raises one `DataError`."""

import io
import pickle

import numpy as np
import pytest
import torch
from hostile_cases import DTYPE, LOADED, MADE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trichord.errors import DataError
from trichord.foreign import read_pickle, read_torch_file


def valid_pickles() -> list[bytes]:
    value = [
        {"id": "é", "2d": np.arange(3, dtype="f4"), "audio": torch.ones(2, 2), "t": (1, {2}, b"x" * 300, None, 1.5)}
    ]
    return [pickle.dumps(value, protocol) for protocol in range(6)]


VALID = valid_pickles()
PLAIN = (type(None), bool, int, float, complex, str, bytes, set, frozenset, np.ndarray)


def assert_plain(value: object) -> None:
    if isinstance(value, dict):
        value = [part for entry in value.items() for part in entry]
    if isinstance(value, (list, tuple)):
        for part in value:
            assert_plain(part)
    else:
        assert type(value) in PLAIN
        assert not isinstance(value, np.ndarray) or value.dtype.kind in "biufcSU"


@pytest.mark.parametrize("protocol", range(6))
def test_cut_anywhere_it_is_refused(protocol, tmp_path):
    whole = VALID[protocol]
    for end in range(0, len(whole), 29):
        (tmp_path / "f.pkl").write_bytes(whole[:end])
        with pytest.raises(DataError):
            read_pickle(tmp_path / "f.pkl")


def read_either(path, data: bytes) -> None:
    messages = []
    path.write_bytes(data)
    for read in (read_pickle, read_torch_file):
        try:
            assert_plain(read(path))
        except DataError as error:
            messages.append(str(error))
    assert all(message.startswith(str(path)) for message in messages)


BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OPCODES = [getattr(pickle, name) for name in dir(pickle) if name.isupper() and isinstance(getattr(pickle, name), bytes)]


@BOUNDED
@given(
    st.lists(st.one_of(st.sampled_from(OPCODES), st.binary(max_size=4), st.sampled_from([DTYPE, MADE, LOADED, b"."])))
)
def test_random_programs_return_plain_data_or_one_error(tmp_path, parts):
    read_either(tmp_path / "f", b"".join(parts) + b".")


@BOUNDED
@given(st.integers(0, 5), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_pickles_return_plain_data_or_one_error(tmp_path, protocol, changes):
    data = bytearray(VALID[protocol])
    for place, value in changes:
        data[place % len(data)] = value
    read_either(tmp_path / "f", bytes(data))


def saved(zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(
        {"a": torch.ones(2, 2), "b": torch.ones(3).bfloat16(), "c": [1, "x"]},
        stream,
        _use_new_zipfile_serialization=zipped,
    )
    return stream.getvalue()


TORCH_FILES = [saved(True), saved(False)]


@BOUNDED
@given(st.booleans(), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_torch_files_return_plain_data_or_one_error(tmp_path, zipped, changes):
    data = bytearray(TORCH_FILES[0 if zipped else 1])
    for place, value in changes:
        data[place % len(data)] = value
    read_either(tmp_path / "f", bytes(data))

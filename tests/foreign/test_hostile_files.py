"""Files made to do harm: each is one `DataError`, and nothing it asks for is ever run."""

import resource
import subprocess
import sys
import time

import pytest
from hostile_cases import hostile, text, torch_sequence

from trichord.errors import DataError
from trichord.foreign import read_pickle, read_torch_file

CASES = list(hostile("true"))


@pytest.mark.parametrize("name", CASES)
def test_hostile_pickles_are_refused_and_run_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / "ran"
    data, says = hostile(f"touch {trace}")[name]
    (tmp_path / "f.pkl").write_bytes(data + b".")
    before = set(sys.modules)
    start = time.monotonic()
    with pytest.raises(DataError, match=says) as caught:
        read_pickle(tmp_path / "f.pkl")
    assert time.monotonic() - start < 5
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).startswith(str(tmp_path / "f.pkl"))
    assert not trace.exists()
    assert "this" not in set(sys.modules) - before


def test_there_are_many_hostile_cases():
    assert len(CASES) > 100


@pytest.mark.parametrize(
    "name", ["os.system", "os.system by STACK_GLOBAL", "by INST", "eval", "array of objects that run"]
)
def test_python_itself_would_run_them(name, tmp_path):
    trace = tmp_path / "ran"
    data, _ = hostile(f"touch {trace}")[name]
    subprocess.run(
        [sys.executable, "-c", f"import pickle; pickle.loads({data + b'.'!r})"], check=False, capture_output=True
    )
    assert trace.exists()


@pytest.mark.parametrize(
    "name", ["os.system", "by OBJ", "eval", "functools.partial", "persistent id", "list in itself"]
)
def test_hostile_torch_files(name, tmp_path):
    trace = tmp_path / "ran"
    data, _ = hostile(f"touch {trace}")[name]
    (tmp_path / "f.pth").write_bytes(torch_sequence(data))
    with pytest.raises(DataError):
        read_torch_file(tmp_path / "f.pth")
    assert not trace.exists()


@pytest.mark.parametrize(
    "identity",
    [
        b"N",
        text("storage"),
        b"(" + text("module") + b"ctorch\nFloatStorage\nNNt",
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("7") + text("cpu") + b"J\xff\xff\xff\xffNt",
        b"(" + text("storage") + text("torch.FloatStorage") + text("7") + text("cpu") + b"K\6Nt",
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("7") + text("cpu") + b"K\6" + b"(K\1K\2K\3tt",
    ],
)
def test_references_to_what_is_no_storage(identity, tmp_path):
    (tmp_path / "f.pth").write_bytes(torch_sequence(identity + b"Q"))
    with pytest.raises(DataError, match="something else than a storage"):
        read_torch_file(tmp_path / "f.pth")


def test_one_storage_described_in_two_ways(tmp_path):
    def refer(kind):
        return b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text("7") + text("cpu") + b"K\6NtQ"

    data = torch_sequence(refer("Float") + refer("Double") + b"\x86", b"]" + text("7") + b"a")
    (tmp_path / "f.pth").write_bytes(data)
    with pytest.raises(DataError, match="described in two ways"):
        read_torch_file(tmp_path / "f.pth")


def test_a_huge_memo_number_takes_no_memory(tmp_path):
    (tmp_path / "f.pkl").write_bytes(b"Nr\xff\xff\xff\xff.")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError):
        read_pickle(tmp_path / "f.pkl")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**15

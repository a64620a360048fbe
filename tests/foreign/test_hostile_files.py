"""Files made to do harm: each is one `DataError`, and nothing it asks for is ever run."""

import pickle
import resource
import subprocess
import sys
import time

import pytest
from hostile_cases import hostile, text, torch_sequence

from trichord.errors import DataError
from trichord.foreign import budget, read_pickle, read_torch_file

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


@pytest.mark.parametrize(
    "entry", [b"\x8f", b"N\x85", b"N\x85\x85\x85\x85", b"]", b"]Na", b"}", b"}NNs", b"(l", b"(\x91", b"h\0)R"]
)
def test_containers_with_next_to_nothing_inside(entry, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FREE_BYTES", 2**10)
    (tmp_path / "f.pkl").write_bytes(b"ccollections\nOrderedDict\nq\x000](" + entry * 1000 + b"e.")
    with pytest.raises(DataError, match=r"more than 48 times its size.*save numbers as arrays"):
        read_pickle(tmp_path / "f.pkl")


def test_honest_small_containers_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FREE_BYTES", 2**10)
    pairs = [(k % 100, 1) for k in range(300)]
    lists, dicts = [[k % 100] for k in range(300)], [{"a": 1, "b": 2} for _ in range(300)]
    empty = [[[], {}] for _ in range(300)]
    for value in (pairs, lists, dicts, empty, {2**61 - 2: 1, -(2**61) + 2: 2}, {2**61 - 2}, [(), (), [], set()]):
        for protocol in range(6):
            (tmp_path / "f.pkl").write_bytes(pickle.dumps(value, protocol))
            assert read_pickle(tmp_path / "f.pkl") == value


def test_what_is_shared_within_the_depth_that_is_allowed(tmp_path):
    shared: object = []
    for _ in range(63):
        shared = [shared, shared]
    (tmp_path / "f.pkl").write_bytes(pickle.dumps(shared))
    assert pickle.dumps(read_pickle(tmp_path / "f.pkl")) == pickle.dumps(shared)
    (tmp_path / "f.pkl").write_bytes(pickle.dumps([shared]))
    with pytest.raises(DataError, match="nested more than 64 deep"):
        read_pickle(tmp_path / "f.pkl")


@pytest.mark.parametrize("number", [63, 64])
def test_lists_met_before_they_are_contained(number, tmp_path):
    """Every list holds the one before, and one list holds all: as deep as the last of them and one more."""
    held: list[object] = [[]]
    for _ in range(number - 1):
        held.append([held[-1]])
    (tmp_path / "f.pkl").write_bytes(pickle.dumps(held))
    if number == 63:
        assert pickle.dumps(read_pickle(tmp_path / "f.pkl")) == pickle.dumps(held)
    else:
        with pytest.raises(DataError, match="nested more than 64 deep"):
            read_pickle(tmp_path / "f.pkl")

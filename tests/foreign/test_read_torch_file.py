import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from foreign_cases import assert_same, expected, plain_values, tensors

from trichord.errors import DataError
from trichord.foreign import read_torch_file

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "sequence"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


@FORMATS
@pytest.mark.parametrize("make", [tensors, plain_values])
def test_what_is_saved_comes_back(make, zipped, path):
    value = make()
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    assert_same(read_torch_file(path), expected(value))


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_state_dict_is_a_dict_of_arrays(zipped, protocol, path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2).bfloat16())
    torch.save(model.state_dict(), path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    found = read_torch_file(path)
    assert_same(found, expected(dict(model.state_dict())))


@FORMATS
def test_views_of_one_storage_share_memory(zipped, path):
    base = torch.arange(12.0).reshape(3, 4)
    half = base.bfloat16()
    torch.save({"whole": base, "turned": base.t(), "row": base[1], "half": half, "piece": half[1:]}, path,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    found = read_torch_file(path)
    assert np.shares_memory(found["whole"], found["turned"])
    assert np.shares_memory(found["whole"], found["row"])
    assert np.shares_memory(found["half"], found["piece"])
    np.testing.assert_array_equal(found["turned"], base.t())


@FORMATS
def test_storages_and_checkpoints(zipped, path):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "optimizer": optimizer.state_dict(), "bytes": torch.ones(2).untyped_storage()}, path,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    found = read_torch_file(path)
    assert found["epoch"] == 3
    assert_same(found["optimizer"], expected(optimizer.state_dict()))
    assert found["bytes"].tobytes() == np.ones(2, np.float32).tobytes()


def rezip(path, change, compress=zipfile.ZIP_STORED):
    """Write the archive again, its members (name, bytes) run through `change`."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", compress) as archive:
        for name, content in change(members):
            archive.writestr(name, content)


def test_a_big_endian_archive_is_converted(path):
    torch.save({"f": torch.arange(4.0), "b": torch.arange(4.0).bfloat16(), "i": torch.arange(4)}, path)
    widths = {"data/0": "f4", "data/1": "u2", "data/2": "i8"}

    def turn(members):
        for name, content in members:
            short = name.partition("/")[2]
            if short == "byteorder":
                content = b"big"
            elif short in widths:
                content = np.frombuffer(content, widths[short]).byteswap().tobytes()
            yield name, content

    rezip(path, turn)
    found = read_torch_file(path)
    for name in "fbi":
        np.testing.assert_array_equal(found[name], np.arange(4))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda ms: [m for m in ms if not m[0].endswith("/data/0")], "no member 'data/0'"),
        (lambda ms: [(n, c[:-1] if n.endswith("/data/0") else c) for n, c in ms], "39 bytes, where .* makes 40"),
        (lambda ms: [(n, c + b"\0" if n.endswith("/data/0") else c) for n, c in ms], "41 bytes, where .* makes 40"),
        (lambda ms: [(n, c + b"N." if n.endswith("data.pkl") else c) for n, c in ms], "2 bytes follow"),
        (lambda ms: [m for m in ms if not m[0].endswith("data.pkl")], "not one of torch.save"),
        (lambda ms: [*ms, ("elsewhere/data.pkl", b"N.")], "more than one folder"),
        (lambda ms: [*ms, (ms[0][0].partition("/")[0] + "/../../x", b"")], "out of its folder"),
        (lambda ms: [*ms, (ms[0][0].partition("/")[0] + "/constants.pkl", b"")], "TorchScript"),
        (lambda ms: [(n, b"odd" if n.endswith("byteorder") else c) for n, c in ms], "byte order"),
        (lambda ms: [(n, b"cos\nsystem\n(S'true'\ntR." if n.endswith("data.pkl") else c) for n, c in ms], "os.system"),
        (lambda ms: [(n, b"" if n.endswith("data.pkl") else c) for n, c in ms], "cut off"),
    ],
)  # fmt: skip
def test_broken_archives(change, says, path):
    torch.save({"a": torch.arange(10.0)}, path)
    rezip(path, change)
    with pytest.raises(DataError, match=says):
        read_torch_file(path)


def test_a_zip_bomb_is_refused_unopened(path):
    torch.save({"a": torch.zeros(2**22)}, path)
    rezip(path, lambda members: members, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**18
    with pytest.raises(DataError, match="is packed"):
        read_torch_file(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(path):
    torch.save({"a": torch.arange(10.0)}, path)
    rezip(path, lambda members: [*members, members[-1]])
    with pytest.raises(DataError, match="has a member twice"):
        read_torch_file(path)


def test_a_flipped_bit_is_found(path):
    torch.save({"a": torch.arange(10.0)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(np.arange(10, dtype=np.float32).tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum"):
        read_torch_file(path)


def sequence(value):
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


COUNT = struct.Struct("<q")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.replace(COUNT.pack(10), COUNT.pack(11)), "not of the size"),
        (lambda d: d.replace(COUNT.pack(10), COUNT.pack(-10)), "not of the size"),
        (lambda d: d + b"\0", "1 bytes follow the end of the torch file"),
        (lambda d: d[:-1], "cut off"),
        (lambda d: d.replace(b"M\xe9\x03.", b"M\xe8\x03.", 1), "not of version 1001"),
        (lambda d: d.replace(b"\x88", b"\x89", 1), "big-endian"),
        (lambda d: d.replace(b"K\x0aNt", b"K\x0bNt"), "not of the size"),
        (lambda d: d.replace(b"]q\x00X", b"]q\x00(X").replace(b"a.", b"K\x01e.", 1), "not those its tensors use"),
        (lambda d: pickle.dumps({"a": 1}), "not a torch file.*read_pickle"),
        (lambda d: b"", "empty"),
        (lambda d: b"\x93NUMPY" + d, "not a pickle"),
        (lambda d: b"PK\x03\x04" + d, "not a readable zip archive"),
        (lambda d: b"storages" + bytes(504), "not a pickle"),
    ],
)  # fmt: skip
def test_broken_sequences(change, says, path):
    whole = sequence({"a": torch.arange(10.0)})
    changed = change(whole)
    assert changed != whole
    path.write_bytes(changed)
    with pytest.raises(DataError, match=says):
        read_torch_file(path)


@FORMATS
def test_cut_anywhere_it_is_refused(zipped, path):
    torch.save({"a": torch.arange(10.0), "b": "text"}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for end in range(0, len(whole), 13):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError):
            read_torch_file(path)


@FORMATS
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
def test_a_whole_model_is_refused_by_the_name_of_its_class(zipped, path):
    torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"torch.nn.modules.linear.Linear, which is not data.*state_dict\(\)"):
        read_torch_file(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(2, 2).to_sparse(),
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        lambda: torch.tensor([1j]).conj(),
        lambda: torch.ones(4).to(torch.float8_e4m3fn),
        lambda: torch.ones(2, device="meta"),
    ],
    ids=["sparse", "quantized", "conjugate", "float8", "meta"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_plain_arrays_are_refused(make, path):
    torch.save({"a": make()}, path)
    with pytest.raises(DataError):
        read_torch_file(path)

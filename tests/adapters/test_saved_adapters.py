from __future__ import annotations

import json
import shutil
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import adapter_cases
import peft
import pytest
import torch
from adapter_cases import CONVOLUTIONS, SIDES, bank_of, base, base_hash, learnt_over, reload, same, save, vectors
from safetensors.torch import load_file, save_file

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import BESIDES, IDENTITY_FILE, load_identity
from trichord.adapters.lora import LowRank
from trichord.adapters.mixing import MixtureConfig, mixed_identity
from trichord.adapters.saved import SETTINGS_FILE, WEIGHTS_FILE, SavedAdapter, read_adapter, write_adapter
from trichord.adapters.settings import LowRankConfig
from trichord.encoders import AudioEncoderConfig, JointEncoderConfig
from trichord.errors import ConfigError, RunError, TrichordError
from trichord.files import hash_json
from trichord.modality import Pair
from trichord.shapes import Tensor

KINDS = {
    "plain": LowRankConfig(rank=3, alpha=5.0),
    "convolutions": CONVOLUTIONS,
    "whole alpha": LowRankConfig(rank=2, alpha=8),
    "rank-stabilised": LowRankConfig(rank=3, alpha=5.0, rank_stabilized=True, dropout=0.2),
    "dora": LowRankConfig(rank=3, weight_decomposed=True, targets="linear and convolution"),
    "gaussian": LowRankConfig(rank=3, initial="gaussian"),
    "orthogonal": LowRankConfig(rank=4, initial="orthogonal"),
    "pissa": LowRankConfig(rank=3, alpha=5.0, initial="pissa"),
    "pissa, rank-stabilised": LowRankConfig(rank=3, alpha=5.0, initial="pissa", rank_stabilized=True),
    "olora": LowRankConfig(rank=3, alpha=5.0, initial="olora"),
}


def vectors_under(bank: AdapterBank, name: str) -> dict[str, Tensor]:
    with bank.using(name) as encoder:
        return vectors(encoder)


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_peft_itself_loads_what_was_saved(config: LowRankConfig, tmp_path: Path) -> None:
    encoder = base()
    low_rank, origin = LowRank(encoder), base_hash(base())
    low_rank.attach("VA", config, adapter_cases.within(SIDES["VA"]))
    start = {key: tensor.clone() for key, tensor in low_rank.tensors("VA").items()}
    adapter_cases.stir(low_rank, "VA")
    with low_rank.active("VA"):
        expected = vectors(encoder)
    saved = low_rank.saved("VA")
    if config.starts_from_weights:
        saved = saved.without_start(start)
    identity = adapter_cases.identity_of("VA", SIDES["VA"], saved, origin)
    write_adapter(tmp_path, saved, identity)
    tolerance = 2e-5 if config.starts_from_weights else 0.0
    plain = base()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = peft.PeftModel.from_pretrained(plain, str(tmp_path))
    loaded.eval()
    assert same(vectors(loaded.base_model.model), expected, tolerance)
    assert not same(expected, vectors(base()), 1e-3)
    bank = reload(tmp_path)
    assert same(vectors_under(bank, "VA"), expected, tolerance)
    assert bank.saved("VA").hash == identity.weights == saved.hash
    assert bank.identity("VA") == identity == load_identity(tmp_path)
    assert bank.identity("VA").pair == Pair(("video",), ("audio",))
    assert bank.base_hash() == origin


@pytest.mark.parametrize("config", [KINDS["dora"], KINDS["pissa"]], ids=["dora", "pissa"])
def test_saving_twice_gives_the_same_bytes(config: LowRankConfig, tmp_path: Path) -> None:
    save(tmp_path / "a", "VA", config)
    save(tmp_path / "b", "VA", config)
    bank = reload(tmp_path / "a")
    write_adapter(tmp_path / "c", bank.saved("VA"), bank.identity("VA"))
    for file in (WEIGHTS_FILE, SETTINGS_FILE, IDENTITY_FILE):
        first = (tmp_path / "a" / file).read_bytes()
        assert (tmp_path / "b" / file).read_bytes() == first
        assert (tmp_path / "c" / file).read_bytes() == first, file
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        [WEIGHTS_FILE, SETTINGS_FILE, IDENTITY_FILE]
    )


def test_what_peft_saves_is_read(tmp_path: Path) -> None:
    save(tmp_path / "ours", "VA", CONVOLUTIONS)
    peft.PeftModel.from_pretrained(base(), str(tmp_path / "ours")).save_pretrained(str(tmp_path / "theirs"))
    shutil.copy(tmp_path / "ours" / IDENTITY_FILE, tmp_path / "theirs")
    assert same(vectors_under(reload(tmp_path / "theirs"), "VA"), vectors_under(reload(tmp_path / "ours"), "VA"))


def test_the_file_holds_the_matrices_and_little_else(tmp_path: Path) -> None:
    save(tmp_path, "VT", LowRankConfig(rank=2, targets="unit[.]projection"))
    saved, _ = read_adapter(tmp_path)
    assert saved.num_parameters == 2 * (7 + 6) + 2 * (6 + 6)
    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 4 * saved.num_parameters + 1000


def test_more_than_twenty_layers_are_saved_by_their_full_names(tmp_path: Path) -> None:
    deep = AudioEncoderConfig(input_dim=5, output_dim=6, widths=(4, 4, 4, 4, 4))
    config = JointEncoderConfig(encoders={**adapter_cases.CONFIG.encoders, "audio": deep})
    encoder = base(config=config)
    saved, identity = learnt_over(encoder, "VA", SIDES["VA"], CONVOLUTIONS)
    assert len(saved.settings["target_modules"]) > 20
    write_adapter(tmp_path, saved, identity)
    fresh = base(config=config)
    bank = AdapterBank(fresh, base_hash(fresh))
    bank.add(*learnt_over(base(config=config), "AT", SIDES["AT"], CONVOLUTIONS))
    bank.load(tmp_path)
    loaded = peft.PeftModel.from_pretrained(base(config=config), str(tmp_path)).eval()
    assert same(vectors_under(bank, "VA"), vectors(loaded.base_model.model))


@pytest.mark.parametrize("stabilized", [False, True])
@pytest.mark.parametrize("initial", ["pissa", "olora"])
def test_what_started_from_the_weights_becomes_an_ordinary_adapter(initial: Any, stabilized: bool) -> None:
    """W - s B0 A0 + s B A, computed here from A, B, A0 and B0 in double precision."""
    config = LowRankConfig(rank=3, alpha=5.0, initial=initial, rank_stabilized=stabilized, targets="unit[.]projection")
    encoder = base()
    low_rank = LowRank(encoder)
    low_rank.attach("VA", config, ["encoders.video"])
    start = low_rank.saved("VA").tensors
    adapter_cases.stir(low_rank, "VA")
    now = low_rank.saved("VA")
    ordinary = now.without_start(start)
    scale = 5 / 3**0.5 if stabilized else 5 / 3
    key = "base_model.model.encoders.video.unit.projection.lora_{}.weight"

    def product(tensors: Any) -> Tensor:
        return tensors[key.format("B")].double() @ tensors[key.format("A")].double()

    first = product(start)
    weight = base().encoder("video").get_parameter("unit.projection.weight").double()
    if initial == "pissa":
        left, sizes, right = torch.linalg.svd(weight, full_matrices=False)
        torch.testing.assert_close(scale * first, left[:, :3] * sizes[:3] @ right[:3], atol=1e-5, rtol=1e-5)
    else:
        q, r = torch.linalg.qr(weight)
        torch.testing.assert_close(first, q[:, :3] @ r[:3], atol=1e-5, rtol=1e-5)
    expected = scale * (product(now.tensors) - first)
    assert ordinary.settings["r"] == 6
    own = ordinary.settings["lora_alpha"] / (6**0.5 if stabilized else 6)
    torch.testing.assert_close(own * product(ordinary.tensors), expected, atol=1e-5, rtol=1e-5)
    values = torch.eye(7)
    layer = encoder.encoder("video").get_submodule("unit.projection")
    with low_rank.active("VA"), torch.no_grad():
        found = (layer(values) - layer(torch.zeros(1, 7))).T.double()
    torch.testing.assert_close(found, weight + expected, atol=1e-5, rtol=1e-5)
    merged = low_rank.merged("VA").get_parameter("encoders.video.unit.projection.weight").double()
    torch.testing.assert_close(merged, weight + expected, atol=1e-5, rtol=1e-5)
    low_rank.merge("VA")
    torch.testing.assert_close(
        encoder.encoder("video").get_parameter("unit.projection.base_layer.weight").double(),
        weight + expected,
        atol=1e-5,
        rtol=1e-5,
    )


Change = Callable[[Path], None]


def change_json(file: str, **values: Any) -> Change:
    def change(folder: Path) -> None:
        data = json.loads((folder / file).read_text())
        for name, value in values.items():
            if value is KeyError:
                del data[name]
            else:
                data[name] = value
        (folder / file).write_text(json.dumps(data))

    return change


def change_tensors(work: Callable[[dict[str, Tensor]], None]) -> Change:
    def change(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS_FILE)
        work(tensors)
        save_file(tensors, folder / WEIGHTS_FILE)

    return change


def signed(change: Change) -> Change:
    """A change by somebody who writes the hash anew as well."""

    def both(folder: Path) -> None:
        change(folder)
        saved = SavedAdapter(json.loads((folder / SETTINGS_FILE).read_text()), load_file(folder / WEIGHTS_FILE))
        change_json(IDENTITY_FILE, weights=saved.hash)(folder)
        fields = json.loads((folder / IDENTITY_FILE).read_text())
        hashed = {name: value for name, value in fields.items() if name not in BESIDES}
        change_json(IDENTITY_FILE, record_hash=hash_json(hashed))(folder)

    return both


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-5] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)


def truncate(folder: Path) -> None:
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[: len(data) // 2])


def with_header(header: bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / WEIGHTS_FILE).write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))

    return change


def first_key(tensors: dict[str, Tensor]) -> str:
    return min(tensors)


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors[first_key(tensors)]


def leave_over(tensors: dict[str, Tensor]) -> None:
    tensors["base_model.model.encoders.text.word.lora_A.weight"] = torch.zeros(3, 4)


def widen(tensors: dict[str, Tensor]) -> None:
    key = first_key(tensors)
    tensors[key] = torch.cat([tensors[key], tensors[key]], dim=1)


def spoil(tensors: dict[str, Tensor]) -> None:
    tensors[first_key(tensors)].flatten()[0] = torch.nan


def whole(tensors: dict[str, Tensor]) -> None:
    tensors[first_key(tensors)] = tensors[first_key(tensors)].to(torch.int32)


def unlink(file: str) -> Change:
    return lambda folder: (folder / file).unlink()


def garbage(file: str) -> Change:
    return lambda folder: (folder / file).write_bytes(b"\xff\x00{")  # type: ignore[return-value]


BAD: dict[str, tuple[Change, str]] = {
    "another base": (signed(change_json(IDENTITY_FILE, base="f" * 16)), "load the base it belongs to"),
    "other preprocessing": (
        signed(change_json(IDENTITY_FILE, preprocessing={"video": "v2", "audio": "a1"})),
        "other settings of the encoder of video",
    ),
    "other sides": (signed(change_json(IDENTITY_FILE, sides=["video"])), "encoders of.*audio.*video"),
    "wrong rank": (change_json(SETTINGS_FILE, r=2), f"{WEIGHTS_FILE}.*{SETTINGS_FILE} need"),
    "huge rank": (signed(change_json(SETTINGS_FILE, r=10**12)), "shape"),
    "rank 0": (signed(change_json(SETTINGS_FILE, r=0)), "whole number from 1 on, got 0; restore"),
    "rank of text": (change_json(SETTINGS_FILE, r="3"), "whole number"),
    "rank true": (change_json(SETTINGS_FILE, r=True), "whole number"),
    "rank missing": (change_json(SETTINGS_FILE, r=KeyError), "whole number"),
    "tampered alpha": (change_json(SETTINGS_FILE, lora_alpha=50.0), "not what was saved.*restore"),
    "alpha of text": (change_json(SETTINGS_FILE, lora_alpha="5"), "lora_alpha"),
    "alpha not a number": (change_json(SETTINGS_FILE, lora_alpha=float("nan")), "lora_alpha"),
    "alpha of a layer": (signed(change_json(SETTINGS_FILE, alpha_pattern={"word": 9.0})), "alpha_pattern"),
    "scale swapped": (change_json(SETTINGS_FILE, use_rslora=True), "not what was saved"),
    "dora swapped": (signed(change_json(SETTINGS_FILE, use_dora=True)), "lacks"),
    "dropout": (change_json(SETTINGS_FILE, lora_dropout=2), "lora_dropout"),
    "weights to be taken apart": (change_json(SETTINGS_FILE, init_lora_weights="pissa"), "started from"),
    "a bias": (signed(change_json(SETTINGS_FILE, bias="all")), "bias"),
    "whole modules": (signed(change_json(SETTINGS_FILE, modules_to_save=["word"])), "modules_to_save"),
    "something newer": (signed(change_json(SETTINGS_FILE, kasa_config={"beta": 1})), "kasa_config"),
    "all layers": (change_json(SETTINGS_FILE, target_modules="all-linear"), "list of the names"),
    "no layers": (change_json(SETTINGS_FILE, target_modules=[]), "list of the names"),
    "layers that are numbers": (change_json(SETTINGS_FILE, target_modules=[1, None]), "list of the names"),
    "an ending of a name": (signed(change_json(SETTINGS_FILE, target_modules=["projection"])), "does not have"),
    "no layer": (signed(change_json(SETTINGS_FILE, target_modules=["encoders.video"])), "does not have"),
    "no settings of lora": (change_json(SETTINGS_FILE, peft_type="IA3"), f"{SETTINGS_FILE}.*LoRA"),
    "settings missing": (unlink(SETTINGS_FILE), f"{SETTINGS_FILE}.*does not exist"),
    "settings garbage": (garbage(SETTINGS_FILE), f"{SETTINGS_FILE}.*not valid JSON"),
    "settings a list": (lambda folder: write(folder / SETTINGS_FILE, "[]"), f"{SETTINGS_FILE}"),
    "missing key": (signed(change_tensors(drop)), f"{WEIGHTS_FILE} lacks 1 tensors.*restore"),
    "left-over key": (signed(change_tensors(leave_over)), f"{WEIGHTS_FILE} has left over 1 .*text.word"),
    "wrong shape": (signed(change_tensors(widen)), f"{WEIGHTS_FILE}.*has the shape"),
    "not finite": (signed(change_tensors(spoil)), "no finite numbers"),
    "whole numbers": (signed(change_tensors(whole)), "no finite numbers"),
    "a bit flipped": (flip_a_bit, "not what was saved"),
    "truncated": (truncate, f"{WEIGHTS_FILE}: not a readable safetensors file.*restore"),
    "empty": (lambda folder: write(folder / WEIGHTS_FILE, ""), f"{WEIGHTS_FILE}: not a readable"),
    "header garbage": (with_header(b"\xff" * 40), f"{WEIGHTS_FILE}: not a readable"),
    "header of an unknown type": (
        with_header(b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}'),
        f"{WEIGHTS_FILE}: not a readable",
    ),
    "header beyond the file": (
        with_header(b'{"a":{"dtype":"F32","shape":[99],"data_offsets":[0,396]}}'),
        f"{WEIGHTS_FILE}: not a readable",
    ),
    "weights missing": (unlink(WEIGHTS_FILE), f"{WEIGHTS_FILE}: not a readable"),
    "identity missing": (unlink(IDENTITY_FILE), f"holds no {IDENTITY_FILE}.*trichord adapt"),
    "identity garbage": (garbage(IDENTITY_FILE), f"{IDENTITY_FILE}.*not valid JSON"),
    "identity of another format": (change_json(IDENTITY_FILE, adapter_format=1), f"{IDENTITY_FILE}: adapter format 1"),
    "identity lacks a field": (change_json(IDENTITY_FILE, dataset=KeyError), "with the fields"),
    "identity of wrong kinds": (change_json(IDENTITY_FILE, sides="video"), f"{IDENTITY_FILE}: sides"),
    "identity without sides": (change_json(IDENTITY_FILE, sides=[]), "a side or more"),
    "identity with half a pair": (change_json(IDENTITY_FILE, left=[]), "both sides"),
    "identity of other sides": (change_json(IDENTITY_FILE, sides=["video"]), f"{IDENTITY_FILE}.*not what was saved"),
    "identity of another pair": (change_json(IDENTITY_FILE, left=["text"], right=["depth"]), "not of its pair"),
    "identity of a wider pair": (change_json(IDENTITY_FILE, right=["audio", "text"]), "not what was saved"),
    "identity without a pair": (change_json(IDENTITY_FILE, left=[], right=[]), "not what was saved"),
    "identity of other settings": (
        change_json(IDENTITY_FILE, preprocessing={"video": "v2", "audio": "a1"}),
        "not what was saved",
    ),
    "identity that saw no split": (change_json(IDENTITY_FILE, fit_splits=[]), "not what was saved"),
    "identity selected nowhere": (change_json(IDENTITY_FILE, selected_on=None), "not what was saved"),
    "splits of wrong kind": (change_json(IDENTITY_FILE, fit_splits="train"), f"{IDENTITY_FILE}: fit_splits"),
    "split of wrong kind": (change_json(IDENTITY_FILE, selected_on=3), f"{IDENTITY_FILE}: selected_on"),
    "identity without its hash": (change_json(IDENTITY_FILE, record_hash=KeyError), "with the fields"),
    "preprocessing of wrong kind": (change_json(IDENTITY_FILE, preprocessing="v1"), f"{IDENTITY_FILE}: preprocessing"),
}


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("good"), "VA", CONVOLUTIONS)


@pytest.fixture(scope="module")
def bank() -> AdapterBank:
    return bank_of(VT=CONVOLUTIONS)


@dataclass(frozen=True)
class Expected:
    names: set[str]
    plain: dict[str, Tensor]
    moved: dict[str, Tensor]


@pytest.fixture(scope="module")
def expected(bank: AdapterBank) -> Expected:
    """The bank before anything bad is loaded."""
    return Expected(set(bank.encoder.state_dict()), vectors(bank.encoder), vectors_under(bank, "VT"))


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_folders_end_in_one_error_and_change_nothing(
    change: Change, message: str, good: Path, bank: AdapterBank, expected: Expected, tmp_path: Path
) -> None:
    folder = tmp_path / "VA"
    shutil.copytree(good, folder)
    change(folder)
    with pytest.raises(TrichordError, match=message) as caught:
        bank.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert bank.names == ("VT",)
    assert set(bank.encoder.state_dict()) == expected.names
    assert same(vectors(bank.encoder), expected.plain)
    assert same(vectors_under(bank, "VT"), expected.moved)


def test_the_good_folder_loads(good: Path, tmp_path: Path) -> None:
    """Without this, the errors above might come from anything."""
    bank = bank_of(VT=CONVOLUTIONS)
    assert bank.load(good) == "VA"
    assert bank.load(good, "mine") == "mine"
    assert bank.names == ("VT", "VA", "mine")
    with pytest.raises(RunError, match="holds no"):
        bank.load(tmp_path / "nowhere")


def test_an_adapter_on_weights_that_differ_by_one_bit_is_refused(good: Path) -> None:
    encoder = base()
    encoder.encoder("text").get_parameter("word.weight").data[0, 0] += 1e-6
    with pytest.raises(RunError, match="learnt over the base"):
        AdapterBank(encoder, base_hash(encoder)).load(good)


def test_what_identities_say(good: Path) -> None:
    identity = load_identity(good)
    assert identity.describe_sides() == "changes video and audio: their vectors have to be made anew under it"
    bank = bank_of(VT=CONVOLUTIONS, VA=CONVOLUTIONS)
    bank.mix(MixtureConfig(name="both", members=("VT", "VA"), weights=(0.5, -1.0)))
    mixed = bank.identity("both")
    assert mixed.pair is None
    assert set(mixed.sides) == {"video", "text", "audio"}
    assert mixed.learnt == "concatenation of 0.5 x VT, -1 x VA"
    assert mixed.hash != identity.hash
    assert mixed.weights == bank.saved("both").hash
    others = [
        SavedAdapter({**bank.saved("VT").settings, **changed}, bank.saved("VT").tensors).hash
        for changed in ({"r": 4}, {"lora_alpha": 4.0}, {"use_rslora": True}, {"use_dora": True}, {"target_modules": []})
    ]
    assert len({bank.saved("VT").hash, *others}) == 6
    assert SavedAdapter({**bank.saved("VT").settings, "peft_version": "0"}, bank.saved("VT").tensors).hash == (
        bank.saved("VT").hash
    )


def test_the_hash_of_an_identity_covers_what_its_vectors_are_for(good: Path) -> None:
    identity = load_identity(good)
    one_sided = replace(identity, sides=("video",), right=("text",))
    others = [
        replace(identity, left=identity.right, right=identity.left),
        replace(identity, right=("audio", "text")),
        replace(identity, left=("video", "text")),
        replace(identity, preprocessing={"video": "v2", "audio": "a1"}),
        replace(identity, base="other"),
        replace(identity, weights="other"),
        one_sided,
        replace(one_sided, right=("audio",)),
    ]
    assert len({identity.hash, *(other.hash for other in others)}) == 9
    assert replace(identity, name="mine", dataset="other", fit_splits=("all",), selected_on=None).hash == identity.hash


def test_an_identity_of_sides_outside_its_pair_cannot_be(good: Path) -> None:
    identity = load_identity(good)
    with pytest.raises(ConfigError, match=r"VA of video with audio cannot change text, which is not of its pair"):
        replace(identity, sides=("video", "text"))
    with pytest.raises(ConfigError, match="both sides of its pair or none"):
        replace(identity, right=())
    assert replace(identity, left=(), right=(), sides=("text",)).pair is None


def test_an_identity_names_the_splits_it_saw(good: Path) -> None:
    identity = load_identity(good)
    assert (identity.fit_splits, identity.selected_on) == (("train",), "val")
    config = MixtureConfig(name="both", members=("VA", "more"), weights=(1.0, 1.0))
    for members, fit, selected in (
        ([identity, replace(identity, fit_splits=("train", "extra"), selected_on="dev")], 2, "val and dev"),
        ([identity, replace(identity, selected_on=None)], 1, "val"),
        ([replace(identity, selected_on=None)] * 2, 1, None),
    ):
        mixed = mixed_identity(config, members, "w")
        assert (mixed.fit_splits, mixed.selected_on) == (("train", "extra")[:fit], selected)


def test_a_mixture_is_saved_like_any_other(tmp_path: Path) -> None:
    bank = bank_of(VT=CONVOLUTIONS, VA=CONVOLUTIONS)
    bank.mix(MixtureConfig(name="both", members=("VT", "VA"), weights=(0.5, -1.0), kind="sum"))
    write_adapter(tmp_path, bank.saved("both"), bank.identity("both"))
    assert same(vectors_under(reload(tmp_path), "both"), vectors_under(bank, "both"))

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Barrier, Event

import adapter_cases
import pytest
import torch
from adapter_cases import (
    CONVOLUTIONS,
    DIM,
    SIDES,
    bank_of,
    base,
    base_hash,
    batch,
    learnt,
    permuted,
    row_alone,
    same,
    vectors,
)
from torch import nn

from trichord.adapters.bank import AdapterBank
from trichord.adapters.mixing import MixtureConfig
from trichord.adapters.settings import BASE, LowRankConfig
from trichord.adapters.targets import num_parameters
from trichord.batch import Embeddings, Features
from trichord.encoders import JointEncoder, LinearHeadConfig
from trichord.errors import ConfigError, DataError, RunError

DORA = LowRankConfig(rank=2, weight_decomposed=True, targets="linear and convolution")
NAMES = [BASE, "AT", "VT", "VT", "VA", BASE, "AT", "VA"]


@pytest.fixture(scope="module")
def shared() -> AdapterBank:
    """For tests that leave it as it is."""
    return full_bank()


def full_bank() -> AdapterBank:
    """Three adapters, one of them DoRA, one rank-stabilised."""
    return bank_of(VT=LowRankConfig(rank=3, alpha=2.0, rank_stabilized=True, dropout=0.5), VA=CONVOLUTIONS, AT=DORA)


def row_by_row(bank: AdapterBank, features: dict[str, Features], names: list[str]) -> Embeddings:
    """Every row as a batch of its own under its own adapter."""
    found = []
    for row, name in enumerate(names):
        with bank.using(name) as encoder, torch.no_grad():
            found.append(encoder(row_alone(features, row), 1))
    modalities = bank.encoder.modalities
    return Embeddings(
        *[
            {m: torch.cat([getattr(one, part)[m] for one in found]) for m in modalities}
            for part in ("vectors", "present", "targets")
        ]
    )


def agrees(found: Embeddings, expected: Embeddings) -> bool:
    return (
        same(found.vectors, expected.vectors, 2e-5)
        and same(found.targets, expected.targets, 2e-5)
        and same(found.present, expected.present)
    )


def test_a_mixed_batch_equals_its_rows_alone(shared: AdapterBank) -> None:
    bank = shared
    mixed = bank.encode(batch(), 8, NAMES)
    assert list(mixed.vectors) == ["video", "audio", "text"]
    assert agrees(mixed, row_by_row(bank, batch(), NAMES))
    plain = vectors(base())
    for name, moved in mixed.vectors.items():
        for row, adapter in enumerate(NAMES):
            if name in bank.sides(adapter) and mixed.present[name][row]:
                assert not torch.allclose(moved[row], plain[name][row], atol=1e-3), (name, adapter)
            else:
                torch.testing.assert_close(moved[row], plain[name][row], atol=2e-6, rtol=0)


@pytest.mark.parametrize("adapter", [BASE, "VT", "VA", "AT"])
def test_a_batch_of_one_adapter_equals_that_adapter(adapter: str, shared: AdapterBank) -> None:
    bank = shared
    with bank.using(adapter) as encoder:
        expected = vectors(encoder)
    found = bank.encode(batch(), 8, [adapter] * 8).vectors
    assert same(found, expected, 2e-6)
    if adapter == BASE:
        assert same(found, expected)


def test_an_adapter_that_has_not_learnt_is_the_base_bit_for_bit_among_others() -> None:
    encoder = base()
    bank = AdapterBank(encoder, base_hash(encoder))
    from trichord.adapters.lora import LowRank

    for name, config in (("VT", CONVOLUTIONS), ("VA", LowRankConfig(initial="gaussian", rank_stabilized=True))):
        other = base()
        low_rank = LowRank(other)
        low_rank.attach(name, config, adapter_cases.within(SIDES[name]))
        saved = low_rank.saved(name)
        bank.add(saved, adapter_cases.identity_of(name, SIDES[name], saved, base_hash(other)))
    blank = bank.encode(batch(), 8, [BASE, "VA", "VT", "VT", "VA", BASE, BASE, "VA"])
    # The same order of rows within, so that the same products are formed.
    expected = bank.encode(permuted(batch(), [0, 5, 6, 1, 4, 7, 2, 3]), 8, [BASE] * 8)
    for name, found in expected.vectors.items():
        assert torch.equal(blank.vectors[name][[0, 5, 6, 1, 4, 7, 2, 3]], found)


def test_permuting_rows_permutes_vectors(shared: AdapterBank) -> None:
    bank = shared
    order = [3, 1, 7, 0, 6, 2, 5, 4]
    found = bank.encode(permuted(batch(), order), 8, [NAMES[row] for row in order])
    expected = bank.encode(batch(), 8, NAMES)
    for name, moved in found.vectors.items():
        torch.testing.assert_close(moved, expected.vectors[name][order], atol=2e-6, rtol=0)
        assert torch.equal(found.present[name], expected.present[name][order])


def test_modalities_without_rows_and_modalities_left_out(shared: AdapterBank) -> None:
    bank = shared
    features = {name: held for name, held in batch().items() if name != "audio"}
    found = bank.encode(features, 8, NAMES, only=("video", "audio"))
    assert list(found.vectors) == ["video", "audio"]
    assert not found.present["audio"].any()
    assert torch.equal(found.vectors["audio"], torch.zeros(8, DIM))
    assert torch.equal(found.vectors["video"], bank.encode(batch(), 8, NAMES).vectors["video"])
    none = {"video": Features(torch.zeros(0, adapter_cases.VIDEO), torch.zeros(0, dtype=torch.long))}
    assert not bank.encode(none, 2, ["VT", BASE]).present["video"].any()
    assert bank.encode({}, 0, []).vectors == {}


def test_an_encoder_without_adapters_encodes_as_the_base() -> None:
    encoder = base()
    assert same(AdapterBank(encoder, base_hash(encoder)).encode(batch(), 8, [BASE] * 8).vectors, vectors(encoder))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (NAMES[:7], "one adapter for each of the 8 rows"),
        ([*NAMES, BASE], "one adapter for each of the 8 rows"),
        (["VX", *NAMES[1:]], "no adapter named 'VX'"),
        (["", *NAMES[1:]], "no adapter named ''"),
    ],
)
def test_names_fail_closed(names: list[str], message: str, shared: AdapterBank) -> None:
    bank = shared
    before = vectors(bank.encoder)
    with pytest.raises(ConfigError, match=message):
        bank.encode(batch(), 8, names)
    assert same(vectors(bank.encoder), before)
    with pytest.raises(ConfigError, match="no adapter named"):
        bank.require("", "VT")
    with pytest.raises(ConfigError, match="no adapter named"), bank.using("vt"):
        pass
    with pytest.raises(ConfigError, match="no adapter named"):
        bank.identity(BASE)
    assert bank.sides(BASE) == ()


def test_a_failing_forward_leaves_nothing_behind(shared: AdapterBank) -> None:
    """PEFT's own mixed batches leave their hooks behind, and every later plain forward fails."""
    bank = shared
    before = vectors(bank.encoder)
    wrong = batch() | {"audio": Features(torch.randn(3, 4, 9), torch.arange(3), torch.tensor([4, 4, 4]))}
    with pytest.raises(DataError, match="audio"):
        bank.encode(wrong, 8, NAMES)
    inner = bank.encoder.encoder("text").word  # type: ignore[operator]
    assert isinstance(inner, nn.Module)
    handle = inner.register_forward_hook(failing)
    with pytest.raises(RuntimeError, match="inside"):
        bank.encode(batch(), 8, NAMES)
    handle.remove()
    assert same(vectors(bank.encoder), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in bank.encoder.modules())
    assert agrees(bank.encode(batch(), 8, NAMES), row_by_row(bank, batch(), NAMES))


def failing(*_: object) -> None:
    raise RuntimeError("inside")


def test_errors_in_the_data_name_the_row_of_the_batch(shared: AdapterBank) -> None:
    bank = shared
    features = batch()
    lengths = features["text"].lengths
    assert lengths is not None
    lengths[4] = 0
    row = int(features["text"].rows[4])
    with pytest.raises(DataError) as plain, bank.using("VT") as encoder:
        encoder(features, 8)
    with pytest.raises(DataError) as mixed:
        bank.encode(features, 8, NAMES)
    assert mixed.value.row == plain.value.row == row


@pytest.mark.parametrize(
    ("rows", "num_values"), [([0, 1, 2], 5), ([0, 1, 8], 3), ([-1, 0, 1], 3), ([0, 0, 1], 3), ([2, 1, 0], 3)]
)
def test_rows_that_are_not_of_the_batch_are_refused(rows: list[int], num_values: int, shared: AdapterBank) -> None:
    features = {"video": Features(torch.randn(num_values, adapter_cases.VIDEO), torch.tensor(rows))}
    with pytest.raises(DataError, match="video"):
        shared.encode(features, 8, NAMES)
    with pytest.raises(ConfigError, match="depth"):
        shared.encode({"depth": features["video"]}, 8, NAMES)


def test_encoding_in_training_mode_is_refused() -> None:
    bank = full_bank()
    bank.encoder.train()
    with pytest.raises(ConfigError, match="eval"):
        bank.encode(batch(), 8, NAMES)


def test_an_adapter_with_dropout_drops_nothing_once_loaded(shared: AdapterBank) -> None:
    bank = shared
    with bank.using("VT") as encoder:
        assert same(vectors(encoder), vectors(encoder))


def test_using_an_adapter_ends_with_the_block(shared: AdapterBank) -> None:
    bank = shared
    plain = vectors(bank.encoder)
    assert same(plain, vectors(base()))
    with bank.using("VT"):
        moved = vectors(bank.encoder)
        with bank.using(BASE):
            assert same(vectors(bank.encoder), plain)
        assert same(vectors(bank.encoder), moved)
        with pytest.raises(ConfigError, match="in use"):
            bank.remove("VT")
        with pytest.raises(ConfigError, match="in use"):
            bank.merge("VA")
        assert same(vectors(bank.encoder), moved)
    with pytest.raises(KeyError), bank.using("VT"):
        raise KeyError
    assert same(vectors(bank.encoder), plain)


def test_one_sided_adapters_change_one_side() -> None:
    bank = bank_of()
    bank.add(*learnt("VT", ("text",)))
    plain = vectors(base())
    for found in (bank.encode(batch(), 8, ["VT"] * 8).vectors, vectors_under(bank, "VT")):
        assert torch.equal(found["video"], plain["video"])
        assert torch.equal(found["audio"], plain["audio"])
        assert not torch.allclose(found["text"], plain["text"], atol=1e-3)
    assert bank.sides("VT") == ("text",)
    assert bank.identity("VT").describe_sides() == "changes text only: stored vectors of video stay valid"


def vectors_under(bank: AdapterBank, name: str) -> dict[str, torch.Tensor]:
    with bank.using(name) as encoder:
        return vectors(encoder)


def test_loading_an_adapter_freezes_no_other() -> None:
    bank = bank_of(VT=CONVOLUTIONS)
    own = [p for name, p in bank.encoder.named_parameters() if ".VT." in name]
    assert own
    assert not any(parameter.requires_grad for parameter in own)
    for parameter in own:
        parameter.requires_grad_(True)
    bank.add(*learnt("VA", SIDES["VA"]))
    bank.mix(MixtureConfig(name="both", members=("VT", "VA"), weights=(1.0, 1.0)))
    assert all(parameter.requires_grad for parameter in own)


def test_removing_adapters() -> None:
    bank = full_bank()
    expected = vectors_under(bank, "VA")
    bank.remove("VT")
    assert bank.names == ("VA", "AT")
    with pytest.raises(ConfigError, match="no adapter named 'VT'"):
        bank.remove("VT")
    assert same(vectors_under(bank, "VA"), expected)
    bank.remove("VA")
    bank.remove("AT")
    assert same(vectors(bank.encoder), vectors(base()))
    bank.add(*learnt("VA", SIDES["VA"]))
    assert same(vectors_under(bank, "VA"), expected)
    assert bank.base_hash() == bank.base


@pytest.mark.parametrize("name", ["VT", "VA", "AT"])
def test_merging_and_unmerging(name: str, shared: AdapterBank) -> None:
    bank = shared
    expected, plain, before = vectors_under(bank, name), vectors(bank.encoder), bank.base_hash()
    bank.merge(name)
    assert bank.merged == name
    assert bank.base_hash() != before
    assert same(vectors(bank.encoder), expected, 2e-5)
    mixture = MixtureConfig(name="both", members=("VT", "VA"), weights=(1.0, 1.0))
    for refused in (
        lambda: bank.using(BASE).__enter__(),
        lambda: bank.encode(batch(), 8, [BASE] * 8),
        lambda: bank.add(*learnt("VT", SIDES["VT"]), "other"),
        lambda: bank.mix(mixture),
        lambda: bank.merge("VT"),
        lambda: bank.remove("VA"),
        lambda: bank.export("VA"),
    ):
        with pytest.raises(ConfigError, match=f"'{name}' is merged"):
            refused()
    bank.unmerge()
    assert bank.merged is None
    assert bank.base_hash() == before
    assert same(vectors(bank.encoder), plain)
    assert same(vectors_under(bank, name), expected)
    with pytest.raises(ConfigError, match="no adapter is merged"):
        bank.unmerge()


@pytest.mark.parametrize("name", [BASE, "VT", "VA", "AT"])
def test_an_export_is_a_plain_encoder(name: str, shared: AdapterBank) -> None:
    bank = shared
    expected, before = vectors_under(bank, name), bank.base_hash()
    plain = bank.export(name)
    assert isinstance(plain, JointEncoder)
    assert [type(module) for module in plain.modules()] == [type(module) for module in base().modules()]
    assert list(plain.state_dict()) == list(base().state_dict())
    assert vars(plain).keys() == vars(base()).keys()
    assert same(vectors(plain), expected, 2e-5)
    if name == BASE:
        assert same(vectors(plain), expected)
    for parameter in plain.parameters():
        parameter.data.zero_()
    assert bank.base_hash() == before
    assert same(vectors_under(bank, name), expected)
    assert same(vectors(bank_of().export(BASE)), vectors(base()))


def test_threads_wait_for_one_another() -> None:
    """Which adapters are active is written in the layers; two threads at once would encode under each other's."""
    bank = bank_of(VT=CONVOLUTIONS, AT=CONVOLUTIONS)
    names = ("VT", "AT", BASE)
    expected = {name: vectors_under(bank, name) for name in names}
    rows = {name: bank.encode(batch(), 8, [name, BASE] * 4).vectors for name in names}
    start = Barrier(len(names))

    def work(name: str) -> list[bool]:
        start.wait()
        found = []
        for number in range(30):
            found.append(same(vectors_under(bank, name), expected[name]))
            if number % 6 == 0:
                found.append(same(bank.encode(batch(), 8, [name, BASE] * 4).vectors, rows[name]))
        return found

    with ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(work, names))
    assert [all(right) for right in found] == [True] * 3
    assert bank._low_rank._active == ()
    assert same(vectors(bank.encoder), expected[BASE])
    assert not any(module._forward_hooks for module in bank.encoder.modules())


def test_other_threads_wait_until_a_block_ends_and_changes_wait_too() -> None:
    bank = bank_of(VT=CONVOLUTIONS, AT=CONVOLUTIONS)
    ended, order = Event(), []

    def note(what: str, act: Callable[[], object]) -> None:
        act()
        order.append((what, ended.is_set()))

    with ThreadPoolExecutor(3) as pool:
        with bank.using("VT"):
            waiting = [
                pool.submit(note, "using", lambda: vectors_under(bank, "AT")),
                pool.submit(note, "remove", lambda: bank.remove("AT") if ended.is_set() else bank.remove("VT")),
                pool.submit(note, "add", lambda: bank.add(*learnt("VA", SIDES["VA"]))),
            ]
            assert wait(waiting, timeout=0.1).done == set()
            with bank.using(BASE):  # the same thread does not wait for itself
                assert same(vectors(bank.encoder), vectors(base()))
            ended.set()
        for one in waiting:
            one.exception(timeout=20)
    assert {what for what, _ in order} >= {"remove", "add"}
    assert all(late for _, late in order)


def test_what_decomposes_its_weights_cannot_be_mixed_and_says_so(shared: AdapterBank) -> None:
    assert [shared.mixable(name) for name in ("VT", "VA", "AT")] == [True, True, False]
    for name in (BASE, "TV"):
        with pytest.raises(ConfigError, match="no adapter named"):
            shared.mixable(name)
    with pytest.raises(ConfigError, match="cannot be mixed"):
        shared.mix(MixtureConfig(name="both", members=("VT", "AT"), weights=(1.0, 1.0)))


@pytest.mark.parametrize("name", ["VT", "AT"])
def test_parameters_are_counted_without_adapters_and_buffers(name: str, shared: AdapterBank) -> None:
    plain = base()
    expected = sum(parameter.numel() for parameter in plain.parameters())
    assert num_parameters(plain) == num_parameters(shared.encoder) == expected
    assert expected < sum(tensor.numel() for tensor in plain.state_dict().values())
    layers = [layer for layer in shared.encoder.modules() if hasattr(layer, "lora_A") and name in layer.lora_A]
    assert num_parameters(layers[0]) == sum(p.numel() for p in layers[0].base_layer.parameters())  # type: ignore[operator, union-attr]


def test_names_that_are_taken_or_unusable() -> None:
    bank = bank_of(VT=CONVOLUTIONS)
    saved, identity = learnt("VT", SIDES["VT"])
    with pytest.raises(ConfigError, match="here: the name 'VT' is taken"):
        bank.add(saved, identity, origin="here")
    with pytest.raises(ConfigError, match="'base' is taken"):
        bank.add(saved, identity, BASE)
    with pytest.raises(ConfigError, match="'base' is taken"):
        bank.add(saved, replace(identity, name=BASE))
    with pytest.raises(ConfigError, match="cannot name"):
        bank.add(saved, identity, "a.b")
    assert bank.add(saved, identity, "second") == "second"
    assert bank.names == ("VT", "second")
    assert same(vectors_under(bank, "second"), vectors_under(bank, "VT"))


def test_adapters_of_something_else_are_refused_and_change_nothing() -> None:
    bank = bank_of(VA=CONVOLUTIONS)
    expected, plain = vectors_under(bank, "VA"), vectors(bank.encoder)
    saved, identity = learnt("VT", SIDES["VT"])
    wrong = {
        "learnt over the base": replace(identity, base="another"),
        "settings of the encoder of text": replace(identity, preprocessing={"video": "v1", "text": "t2"}),
        "has no encoder": replace(identity, left=("depth",), sides=("depth", "text"), preprocessing={"text": "t1"}),
        "says it changes": replace(identity, sides=("text",)),
        "is not what was saved": replace(identity, weights="0" * 16),
    }
    for message, other in wrong.items():
        with pytest.raises((RunError, ConfigError), match=message):
            bank.add(saved, other, origin="folder")
        assert bank.names == ("VA",)
        assert same(vectors_under(bank, "VA"), expected)
        assert same(vectors(bank.encoder), plain)
    other = base(config=replace(adapter_cases.CONFIG, encoders={"video": LinearHeadConfig(input_dim=7, output_dim=6)}))
    with pytest.raises(RunError, match="no encoder"):
        AdapterBank(other, identity.base).add(saved, identity)
    shorter = AdapterBank(other, identity.base)
    video, only = learnt("VT", ("video",))
    with pytest.raises(RunError, match=r"unit\.context .* which this base does not have"):
        shorter.add(video, only)

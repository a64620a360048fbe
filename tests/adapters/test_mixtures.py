from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import peft
import pytest
import torch
from adapter_cases import CONVOLUTIONS, SIDES, bank_of, base, batch, learnt, same, stir, vectors, within

from trichord.adapters.bank import AdapterBank
from trichord.adapters.lora import LowRank
from trichord.adapters.mixing import MixtureConfig, cut, cut_product, merge_at_random, merge_by_sign, mix
from trichord.adapters.settings import BASE, LowRankConfig
from trichord.adapters.targets import find_layers
from trichord.errors import ConfigError
from trichord.randomness import torch_generator
from trichord.shapes import Tensor

MEMBERS = {
    "VT": LowRankConfig(rank=3, alpha=7.0, targets="linear and convolution"),
    "VA": LowRankConfig(rank=2, alpha=5.0, rank_stabilized=True, targets="linear and convolution"),
    "AT": LowRankConfig(rank=4, alpha=1.0, initial="pissa"),
}
SCALES = {"VT": 7 / 3, "VA": 5 / 2**0.5, "AT": 1 / 4}
"""alpha / r, alpha / sqrt(r), and that of an adapter of twice the rank with twice the alpha."""


@pytest.fixture(scope="module")
def members() -> AdapterBank:
    return bank_of(**MEMBERS)


@pytest.fixture
def bank(members: AdapterBank) -> Iterator[AdapterBank]:
    """Three adapters of different rank, sides and scale, none of which is 1; mixtures go when the test ends."""
    yield members
    for name in set(members.names) - set(MEMBERS):
        members.remove(name)


def layers(bank: AdapterBank) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weight of every layer."""
    return {name: tuple(layer.get_parameter("weight").shape) for name, layer in find_layers(bank.encoder).items()}


def change(bank: AdapterBank, name: str, layer: str, scale: float) -> np.ndarray | None:
    """s B A of a layer from the tensors as they are saved; None where the adapter does not touch it."""
    tensors = bank.saved(name).tensors
    key = f"base_model.model.{layer}.lora_{{}}.weight"
    if key.format("A") not in tensors:
        return None
    matrix_a, matrix_b = (tensors[key.format(part)].flatten(1).double().numpy() for part in "AB")
    found: np.ndarray = scale * np.einsum("or,ri->oi", matrix_b, matrix_a)
    return found


def changes(bank: AdapterBank, layer: str, weights: dict[str, float]) -> list[np.ndarray]:
    """Weighted changes of one layer by those members that touch it."""
    found = [(weight, change(bank, name, layer, SCALES[name])) for name, weight in weights.items()]
    return [weight * one for weight, one in found if one is not None]


def nearest_of_rank(matrix: np.ndarray, rank: int) -> np.ndarray:
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    found: np.ndarray = (left[:, :rank] * sizes[:rank]) @ right[:rank]
    return found


def config(weights: dict[str, float], **settings: Any) -> MixtureConfig:
    return MixtureConfig(name="mixed", members=tuple(weights), weights=tuple(weights.values()), **settings)


def check(bank: AdapterBank, expected: dict[str, np.ndarray], tolerance: float = 2e-5) -> None:
    """Compare a mixture, of scale 1, with the expected change of every layer."""
    settings = bank.saved("mixed").settings
    scale = settings["lora_alpha"] / settings["r"]
    assert scale == 1
    assert not settings["use_rslora"]
    assert not settings["use_dora"]
    assert settings["target_modules"] == sorted(expected)
    for layer, wanted in expected.items():
        found = change(bank, "mixed", layer, scale)
        assert found is not None
        np.testing.assert_allclose(found, wanted, atol=tolerance)


WEIGHTS = [
    {"VT": 0.5, "VA": 0.25},
    {"VT": 1.0, "VA": -0.75, "AT": 2.0},
    {"VA": 0.0, "AT": 1.0},
    {"VT": 0.0, "VA": 0.0},
]


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("kind", ["concatenation", "sum"])
def test_concatenation_and_sum_are_the_weighted_sum_of_the_changes(
    bank: AdapterBank, weights: dict[str, float], kind: Any
) -> None:
    assert bank.mix(config(weights, kind=kind, rank=20 if kind == "sum" else None)) == "mixed"
    expected = {layer: sum(found) for layer in layers(bank) if (found := changes(bank, layer, weights))}
    check(bank, expected)  # type: ignore[arg-type]
    ranks = {"VT": 3, "VA": 2, "AT": 8}
    if kind == "concatenation":
        assert bank.saved("mixed").settings["r"] <= sum(ranks[name] for name in weights)


def test_vectors_under_a_mixture_are_those_of_weights_with_the_sum_added(bank: AdapterBank) -> None:
    weights = {"VT": 0.5, "VA": -0.25, "AT": 0.8}
    bank.mix(config(weights))
    reference = base()
    with torch.no_grad():
        for layer, shape in layers(bank).items():
            if found := changes(bank, layer, weights):
                total = torch.tensor(sum(found)).float().view(shape)
                reference.get_parameter(f"{layer}.weight").add_(total)
    with bank.using("mixed") as encoder:
        assert same(vectors(encoder), vectors(reference), 5e-5)
    rows = ["mixed", BASE, "VT", "mixed", "AT", "VA", "mixed", BASE]
    mixed = bank.encode(batch(), 8, rows)
    for name, found in vectors(reference).items():
        torch.testing.assert_close(mixed.vectors[name][[0, 3, 6]], found[[0, 3, 6]], atol=5e-5, rtol=0)
    assert same(vectors(bank.export("mixed")), vectors(reference), 5e-5)


def test_a_sum_is_cut_to_the_nearest_of_its_rank(bank: AdapterBank) -> None:
    weights = {"VT": 0.5, "VA": -0.25, "AT": 0.8}
    bank.mix(config(weights, kind="sum", rank=2))
    expected = {
        layer: nearest_of_rank(np.sum(found, axis=0), 2)
        for layer in layers(bank)
        if (found := changes(bank, layer, weights))
    }
    check(bank, expected)
    assert bank.saved("mixed").settings["r"] == 2


def test_without_a_rank_a_sum_has_the_largest_of_its_members(bank: AdapterBank) -> None:
    bank.mix(config({"VT": 1.0, "VA": 1.0}, kind="sum"))
    assert bank.saved("mixed").settings["r"] == 3


def test_peft_does_not_apply_the_scale_twice_and_agrees_with_ours() -> None:
    """methods.md of 0.20.1 found alpha / r twice in the decompositions; this pins that the installed one does not."""
    weights = {"VT": 0.5, "VA": 0.25}
    bank = bank_of(VT=MEMBERS["VT"], VA=LowRankConfig(rank=2, alpha=5.0, targets="linear and convolution"))
    scales = {"VT": 7 / 3, "VA": 5 / 2}
    tuner = peft_tuner(bank)
    tuner.add_weighted_adapter(list(weights), list(weights.values()), "svd", combination_type="svd", svd_rank=4)
    tuner.add_weighted_adapter(list(weights), list(weights.values()), "cat", combination_type="cat")
    bank.mix(config(weights, kind="sum", rank=4))
    for layer in layers(bank):
        found = [(weight, change(bank, name, layer, scales[name])) for name, weight in weights.items()]
        total = sum(weight * one for weight, one in found if one is not None)
        theirs = bank.encoder.get_submodule(layer)
        assert theirs.scaling["svd"] == theirs.scaling["cat"] == 1  # type: ignore[index, operator]
        for kind, wanted in (("cat", total), ("svd", nearest_of_rank(total, 4)), ("mixed", nearest_of_rank(total, 4))):
            delta = theirs.get_delta_weight(kind)  # type: ignore[operator]
            np.testing.assert_allclose(delta.detach().flatten(1).numpy(), wanted, atol=2e-5)


def peft_tuner(bank: AdapterBank) -> peft.LoraModel:
    tuner = bank._low_rank._tuner
    assert isinstance(tuner, peft.LoraModel)
    return tuner


def ties_reference(members: list[np.ndarray], density: float) -> np.ndarray:
    """Algorithm 1 of Yadav et al. (2023), entry by entry."""
    trimmed = []
    for member in members:
        sizes = sorted(np.abs(member).flatten(), reverse=True)
        smallest = sizes[max(1, round(density * len(sizes))) - 1]
        trimmed.append(np.where(np.abs(member) >= smallest, member, 0))
    merged = np.zeros_like(members[0])
    for place in np.ndindex(*merged.shape):
        values = [one[place] for one in trimmed]
        sign = np.sign(sum(values))
        agreeing = [value for value in values if np.sign(value) == sign != 0]
        merged[place] = np.mean(agreeing) if agreeing else 0
    return merged


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("weights", WEIGHTS[:3], ids=str)
def test_ties_is_that_of_the_paper(bank: AdapterBank, weights: dict[str, float], density: float) -> None:
    bank.mix(config(weights, kind="ties", density=density, rank=20))
    expected = {
        layer: ties_reference(found, density) for layer in layers(bank) if (found := changes(bank, layer, weights))
    }
    check(bank, expected, 5e-5)


def test_ties_by_hand() -> None:
    members = torch.tensor([[[4.0, -1.0, 2.0, 0.5]], [[-3.0, -2.0, 0.1, -0.5]], [[-2.0, 5.0, 1.0, 0.0]]])
    found = merge_by_sign(members, 1.0)
    torch.testing.assert_close(found, torch.tensor([[-2.5, 5.0, (2 + 0.1 + 1) / 3, 0.0]]))
    found = merge_by_sign(members, 0.5)
    # Kept: 4 and 2; -3 and -2; -2 and 5.
    torch.testing.assert_close(found, torch.tensor([[-2.5, 5.0, 2.0, 0.0]]))
    ignored = torch.cat([members, torch.zeros(1, 1, 4)])
    assert torch.equal(merge_by_sign(ignored, 0.5), found), "a member of weight zero had a vote"
    assert torch.equal(merge_by_sign(-members, 0.5), -found)


def test_dare_drops_and_scales_up() -> None:
    ones = torch.ones(2, 200, 300)
    found = merge_at_random(ones, 0.25, torch_generator(3, "dare", 0))
    assert set(found.unique().tolist()) == {0.0, 4.0, 8.0}
    shares = [(found == value).double().mean().item() for value in (0.0, 4.0, 8.0)]
    np.testing.assert_allclose(shares, [0.75**2, 2 * 0.25 * 0.75, 0.25**2], atol=0.01)
    assert found.mean().item() == pytest.approx(2, abs=0.05)
    drawn = torch.rand(2, 200, 300, generator=torch_generator(3, "dare", 0))
    reference = sum(np.where(drawn[member].numpy() < 0.25, 1 / 0.25, 0) for member in range(2))
    np.testing.assert_allclose(found.numpy(), reference)


def test_dare_depends_on_its_seed_alone(bank: AdapterBank) -> None:
    weights = {"VT": 1.0, "VA": -0.5}
    found: list[dict[str, Tensor]] = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(found))
        state = torch.get_rng_state()
        bank.mix(config(weights, kind="dare", seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
        found.append(dict(bank.saved("mixed").tensors))
        bank.remove("mixed")
    assert same(found[0], found[1])
    assert not same(found[0], found[2], 1e-3)
    bank.mix(config(weights, kind="dare", density=1.0, rank=20))
    expected = {layer: sum(one) for layer in layers(bank) if (one := changes(bank, layer, weights))}
    check(bank, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("rank", [1, 2, 5, 9])
def test_cutting_a_product_is_cutting_its_matrix(bank: AdapterBank, rank: int) -> None:
    change = bank._low_rank.factors("AT")["encoders.text.unit.context"]
    by_matrix, by_factors = cut(change.left @ change.right, rank), cut_product(change, rank)
    torch.testing.assert_close(by_factors.left @ by_factors.right, by_matrix.left @ by_matrix.right, atol=1e-5, rtol=0)
    expected = nearest_of_rank((change.left.double() @ change.right.double()).numpy(), rank)
    np.testing.assert_allclose((by_matrix.left @ by_matrix.right).numpy(), expected, atol=1e-5)
    assert by_factors.right.shape[0] <= rank


def test_mixing_changes_neither_base_nor_members(bank: AdapterBank) -> None:
    before = {name: bank.saved(name).hash for name in bank.names}
    plain = vectors(bank.encoder)
    for kind in ("concatenation", "sum", "ties", "dare"):
        bank.mix(MixtureConfig(name=kind, members=("AT", "VT"), weights=(1.0, -1.0), kind=kind))  # type: ignore[arg-type]
    assert {name: bank.saved(name).hash for name in before} == before
    assert bank.base_hash() == bank.base
    assert same(vectors(bank.encoder), plain)
    assert bank.names == ("VT", "VA", "AT", "concatenation", "sum", "ties", "dare")
    bank.mix(MixtureConfig(name="again", members=("concatenation", "VA"), weights=(1.0, 1.0)))
    assert bank.identity("again").sides == ("audio", "text", "video")


def test_an_adapter_that_still_learns_from_the_weights_mixes_by_what_it_learnt() -> None:
    encoder = base()
    low_rank = LowRank(encoder)
    low_rank.attach("AT", MEMBERS["AT"], within(SIDES["AT"]))
    low_rank.attach("VT", MEMBERS["VT"], within(SIDES["VT"]))
    stir(low_rank, "AT")
    mix(low_rank, MixtureConfig(name="mixed", members=("AT", "VT"), weights=(1.0, 1.0)))
    with low_rank.active("mixed"):
        found = vectors(encoder)
    with low_rank.active("AT", "VT"):
        assert same(found, vectors(encoder), 2e-5)
    assert not same(found, vectors(base()), 1e-3)


def test_what_cannot_be_mixed_is_refused_and_changes_nothing(bank: AdapterBank) -> None:
    bank.add(*learnt("VT", SIDES["VT"], LowRankConfig(weight_decomposed=True)), "dora")
    before = set(bank.encoder.state_dict())

    def refused(message: str, name: str = "mixed", members: tuple[str, ...] = ("VT", "VA")) -> None:
        with pytest.raises(ConfigError, match=message):
            bank.mix(MixtureConfig(name=name, members=members, weights=(1.0,) * len(members)))
        assert bank.names == ("VT", "VA", "AT", "dora")
        assert set(bank.encoder.state_dict()) == before

    refused("DoRA", members=("VT", "dora"))
    refused("no adapter named 'VX'", members=("VT", "VX"))
    refused("no adapter named 'base'", members=("VT", BASE))
    refused("'VA' is taken", name="VA")
    refused("'base' is taken", name=BASE)
    refused("cannot name", name="a.b")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": ("VT",), "weights": (1.0,)}, "two members or more"),
        ({"members": ("VT", "VT")}, "each once"),
        ({"weights": (1.0,)}, "one finite weight"),
        ({"weights": (1.0, float("nan"))}, "one finite weight"),
        ({"density": 0.0, "kind": "ties"}, "density"),
        ({"density": 1.5, "kind": "dare"}, "density"),
        ({"rank": 0, "kind": "sum"}, "rank of at least 1"),
        ({"rank": 4}, "rank of at least 1"),
    ],
)
def test_settings_of_mixtures_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MixtureConfig(**{"name": "mixed", "members": ("VT", "VA"), "weights": (1.0, 1.0), **settings})


def test_the_base_is_what_convolutions_are_added_to() -> None:
    """The cases hold what they claim: convolutions with kernels of one and of several positions."""
    kernels = {shape[2:] for shape in layers(bank_of(VA=CONVOLUTIONS)).values() if len(shape) == 4}
    assert {(1, 1), (1, 9)} <= kernels

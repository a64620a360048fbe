from __future__ import annotations

import adapter_cases
import numpy as np
import pytest
import torch
from adapter_cases import CONVOLUTIONS, SIDES, base, base_hash, same, stir, vectors, within
from torch import nn
from torch.nn import functional

from trichord.adapters.lora import LowRank, Rows, find_targets, matrices_b, plain_state
from trichord.adapters.settings import AdapterConfig, LowRankConfig, adapter_name
from trichord.adapters.targets import find_layers, matrix_shapes
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, TrichordError
from trichord.modality import STANDARD, Modality, Pair
from trichord.shapes import Tensor

EXACT_STARTS = {
    "kaiming": LowRankConfig(targets="linear and convolution"),
    "gaussian": LowRankConfig(initial="gaussian", targets="linear and convolution"),
    "rank-stabilised": LowRankConfig(rank=4, alpha=3.0, rank_stabilized=True, targets="linear and convolution"),
}
ROUNDED_STARTS = {
    "dora": LowRankConfig(rank=3, weight_decomposed=True, targets="linear and convolution"),
    "orthogonal": LowRankConfig(rank=4, initial="orthogonal"),
    "olora": LowRankConfig(rank=3, alpha=5.0, initial="olora"),
    "pissa": LowRankConfig(rank=3, alpha=5.0, initial="pissa"),
    "pissa, rank-stabilised": LowRankConfig(rank=3, alpha=5.0, initial="pissa", rank_stabilized=True),
}


class Layers(nn.Module):
    """A linear layer and a convolution, so that references need no encoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.linear = nn.Linear(5, 4)
        self.conv = nn.Conv2d(3, 4, (2, 3), stride=(1, 2), padding=(1, 0))
        self.narrow = nn.Conv1d(3, 4, 1, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        return self.linear(values)


def layers_with(config: LowRankConfig, name: str = "VT") -> tuple[Layers, LowRank]:
    module = Layers().eval()
    low_rank = LowRank(module)
    low_rank.attach(name, config)
    stir(low_rank, name)
    return module, low_rank


def change(low_rank: LowRank, layer: str, scale: float, name: str = "VT") -> np.ndarray:
    """s B A of a layer, from the tensors that are saved."""
    tensors = low_rank.tensors(name)
    matrix_a = tensors[f"base_model.model.{layer}.lora_A.weight"].flatten(1).double().numpy()
    matrix_b = tensors[f"base_model.model.{layer}.lora_B.weight"].flatten(1).double().numpy()
    found: np.ndarray = scale * np.einsum("or,ri->oi", matrix_b, matrix_a)
    return found


@pytest.mark.parametrize("config", EXACT_STARTS.values(), ids=EXACT_STARTS)
def test_an_adapter_that_has_not_learnt_is_the_base_bit_for_bit(config: LowRankConfig) -> None:
    encoder = base()
    expected, low_rank = vectors(encoder), LowRank(encoder)
    low_rank.attach("VA", config, within(SIDES["VA"]))
    with low_rank.active("VA"):
        assert same(vectors(encoder), expected)
    with low_rank.active_rows([Rows("VA", 0, 8)]), torch.no_grad():
        features = {"video": adapter_cases.batch()["video"]}
        assert torch.equal(encoder(features, 8, only=("video",)).vectors["video"], expected["video"])


@pytest.mark.parametrize("config", ROUNDED_STARTS.values(), ids=ROUNDED_STARTS)
def test_other_starts_are_the_base_up_to_rounding(config: LowRankConfig) -> None:
    encoder = base()
    expected, low_rank = vectors(encoder), LowRank(encoder)
    low_rank.attach("VA", config, within(SIDES["VA"]))
    assert same(vectors(encoder), expected)
    with low_rank.active("VA"):
        assert same(vectors(encoder), expected, 2e-5)
    stir(low_rank, "VA")
    with low_rank.active("VA"):
        found = vectors(encoder)
    assert not same(found, expected, 1e-2)
    assert torch.equal(found["text"], expected["text"])
    assert same(vectors(encoder), expected)


@pytest.mark.parametrize("stabilized", [False, True])
def test_a_linear_layer_adds_scale_b_a_x(stabilized: bool) -> None:
    module, low_rank = layers_with(LowRankConfig(rank=3, alpha=5.0, rank_stabilized=stabilized))
    scale = 5 / 3**0.5 if stabilized else 5 / 3
    values = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    weight = plain_state(module)["linear.weight"].double().numpy() + change(low_rank, "linear", scale)
    expected = np.einsum("oi,ni->no", weight, values.double().numpy()) + plain_state(module)["linear.bias"].numpy()
    with low_rank.active("VT"), torch.no_grad():
        np.testing.assert_allclose(module(values).numpy(), expected, atol=1e-5)
    with low_rank.active_rows([Rows(None, 0, 2), Rows("VT", 2, 6)]), torch.no_grad():
        np.testing.assert_allclose(module(values)[2:].numpy(), expected[2:], atol=1e-5)


@pytest.mark.parametrize("stabilized", [False, True])
def test_a_convolution_is_the_convolution_with_the_merged_weight(stabilized: bool) -> None:
    config = LowRankConfig(rank=3, alpha=5.0, rank_stabilized=stabilized, targets="linear and convolution")
    module, low_rank = layers_with(config)
    scale = 5 / 3**0.5 if stabilized else 5 / 3
    state, generator = plain_state(module), torch.Generator().manual_seed(1)
    weight = state["conv.weight"] + torch.tensor(change(low_rank, "conv", scale)).float().view(4, 3, 2, 3)
    values = torch.randn(6, 3, 4, 7, generator=generator)
    expected = functional.conv2d(values, weight, state["conv.bias"], stride=(1, 2), padding=(1, 0))
    narrow = state["narrow.weight"] + torch.tensor(change(low_rank, "narrow", scale)).float()[:, :, None]
    series = torch.randn(6, 3, 9, generator=generator)
    with low_rank.active("VT"), torch.no_grad():
        torch.testing.assert_close(module.conv(values), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(module.narrow(series), functional.conv1d(series, narrow), atol=1e-5, rtol=1e-5)


def test_dora_scales_every_output_row_of_the_changed_weight_to_its_learnt_length() -> None:
    config = LowRankConfig(rank=2, alpha=3.0, weight_decomposed=True, targets="linear and convolution")
    module, low_rank = layers_with(config)
    state, tensors = plain_state(module), low_rank.tensors("VT")
    values = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    images = torch.randn(6, 3, 4, 7, generator=torch.Generator().manual_seed(2))

    def decomposed(layer: str) -> np.ndarray:
        moved = state[f"{layer}.weight"].double().flatten(1).numpy() + change(low_rank, layer, 1.5)
        length = tensors[f"base_model.model.{layer}.lora_magnitude_vector"].double().flatten().numpy()
        found: np.ndarray = length[:, None] * moved / np.sqrt((moved**2).sum(axis=1, keepdims=True))
        return found

    linear = values.double().numpy() @ decomposed("linear").T + state["linear.bias"].numpy()
    weight = torch.tensor(decomposed("conv")).float().view(4, 3, 2, 3)
    convolved = functional.conv2d(images, weight, state["conv.bias"], stride=(1, 2), padding=(1, 0))
    rows = [Rows("VT", 0, 4), Rows(None, 4, 6)]
    with torch.no_grad():
        with low_rank.active("VT"):
            np.testing.assert_allclose(module(values).numpy(), linear, atol=1e-5)
            torch.testing.assert_close(module.conv(images), convolved, atol=1e-5, rtol=1e-5)
        with low_rank.active_rows(rows):
            np.testing.assert_allclose(module(values)[:4].numpy(), linear[:4], atol=1e-5)
            torch.testing.assert_close(module.conv(images)[:4], convolved[:4], atol=1e-5, rtol=1e-5)


ALL = EXACT_STARTS | ROUNDED_STARTS


@pytest.mark.parametrize("config", ALL.values(), ids=ALL)
def test_the_weights_of_the_base_keep_their_bits_and_their_right_to_learn(config: LowRankConfig) -> None:
    encoder = base()
    encoder.encoder("video").requires_grad_(False)
    allowed = {id(parameter): parameter.requires_grad for parameter in encoder.parameters()}
    storage = {name: tensor.data_ptr() for name, tensor in encoder.named_parameters()}
    before, low_rank = base_hash(encoder), LowRank(encoder)

    def unchanged() -> bool:
        now = {id(parameter): parameter.requires_grad for parameter in encoder.parameters()}
        return base_hash(encoder) == before and all(now[key] == held for key, held in allowed.items())

    low_rank.attach("VA", config, within(SIDES["VA"]))
    assert unchanged()
    assert {name: tensor.data_ptr() for name, tensor in plain_state(encoder).items() if name in storage} == storage
    assert not any(parameter.requires_grad for parameter in parameters(low_rank, "VA"))
    low_rank.learn(["VA"])
    assert all(parameter.requires_grad for parameter in parameters(low_rank, "VA"))
    assert unchanged()
    frozen = {name: p.requires_grad for name, p in encoder.named_parameters()}
    encoder.requires_grad_(False)
    low_rank.learn(["VA"])
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.5)
    own = {key: tensor.clone() for key, tensor in low_rank.tensors("VA").items()}
    for _ in range(2):
        with low_rank.active("VA"):
            assert base_hash(encoder) == before
            loss = encoder(adapter_cases.batch(), 8).vectors["video"][:, 0].sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert any(not torch.equal(own[key], tensor) for key, tensor in low_rank.tensors("VA").items())
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(frozen[name])
    assert unchanged()
    low_rank.attach("AT", LowRankConfig(rank=2), within(SIDES["AT"]))
    assert all(parameter.requires_grad for parameter in parameters(low_rank, "VA")), "attaching froze another adapter"
    low_rank.detach("VA")
    assert unchanged()
    low_rank.detach("AT")
    assert unchanged()
    assert low_rank.names == ()


def parameters(low_rank: LowRank, name: str) -> list[nn.Parameter]:
    return [p for key, p in low_rank.module.named_parameters() if f".{name}." in key and "lora_" in key]


def test_two_adapters_that_start_from_the_weights_do_not_see_each_other() -> None:
    config = ROUNDED_STARTS["pissa"]
    alone, together = base(), base()
    first, both = LowRank(alone), LowRank(together)
    first.attach("VA", config, within(SIDES["VA"]))
    both.attach("VT", config, within(SIDES["VT"]))
    both.attach("VA", config, within(SIDES["VA"]))
    assert both.names == ("VT", "VA")
    stir(first, "VA")
    stir(both, "VA")
    with first.active("VA"), both.active("VA"):
        assert same(vectors(together), vectors(alone))


def test_what_an_adapter_took_out_of_the_weights_passes_no_gradient_wrongly() -> None:
    """Of y = (W - s B0 A0) x + s B A x, with x the output of a layer below that learns."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    low_rank = LowRank(module)
    low_rank.attach("VT", LowRankConfig(rank=2, alpha=3.0, targets="1", initial="pissa"))
    start = {key[-8]: tensor.clone() for key, tensor in low_rank.tensors("VT").items()}
    stir(low_rank, "VT")
    values = torch.randn(5, 4)
    with low_rank.active("VT"):
        loss = module(values).square().sum()
    loss.backward()
    state = plain_state(module)
    now = {key[-8]: tensor for key, tensor in low_rank.tensors("VT").items()}
    weight = state["1.weight"] + 1.5 * (now["B"] @ now["A"] - start["B"] @ start["A"])
    hidden = values @ state["0.weight"].T + state["0.bias"]
    grad = 2 * (hidden @ weight.T + state["1.bias"]) @ weight
    first = module[0]
    assert isinstance(first, nn.Linear)
    assert first.weight.grad is not None
    torch.testing.assert_close(first.weight.grad, grad.T @ values, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("weight_decomposed", [False, True])
def test_dropout_works_in_training_alone(weight_decomposed: bool) -> None:
    module, low_rank = layers_with(LowRankConfig(rank=3, dropout=0.5, weight_decomposed=weight_decomposed))
    values = torch.randn(200, 5)
    with low_rank.active("VT"), torch.no_grad():
        assert torch.equal(module(values), module(values))
        module.train()
        assert not torch.allclose(module(values), module(values))
        module.eval()
        expected = module(values)
    with torch.no_grad():
        module.train()
        with low_rank.active_rows([Rows("VT", 0, 200)]):
            assert not torch.allclose(module(values), expected)
        assert torch.equal(module(values), Layers().linear(values))


def test_activation_nests_and_is_put_back_after_exceptions() -> None:
    encoder = base()
    low_rank = LowRank(encoder)
    for name, sides in SIDES.items():
        low_rank.attach(name, CONVOLUTIONS, within(sides))
        stir(low_rank, name)
    plain = vectors(encoder)
    with low_rank.active("VT"):
        outer = vectors(encoder)
        with low_rank.active("VA"):
            assert not same(vectors(encoder), outer, 1e-3)
            with low_rank.active():
                assert same(vectors(encoder), plain)
        with pytest.raises(KeyError), low_rank.active("VA"):
            raise KeyError
        assert same(vectors(encoder), outer)
        with low_rank.active_rows([Rows("VA", 0, 8)]), torch.no_grad():
            assert not same({"video": encoder(adapter_cases.batch(), 8, only=("video",)).vectors["video"]}, outer)
        assert same(vectors(encoder), outer)
        with pytest.raises(ConfigError, match="no adapter named 'VX'"), low_rank.active("VX"):
            pass
        assert same(vectors(encoder), outer)
    assert same(vectors(encoder), plain)


def test_attaching_inside_a_block_keeps_what_is_active_and_detaching_it_is_refused() -> None:
    encoder = base()
    low_rank = LowRank(encoder)
    low_rank.attach("VT", CONVOLUTIONS, within(SIDES["VT"]))
    stir(low_rank, "VT")
    plain = vectors(encoder)
    with low_rank.active("VT"):
        expected = vectors(encoder)
        low_rank.attach("AT", CONVOLUTIONS, within(SIDES["AT"]))
        assert same(vectors(encoder), expected)
        with pytest.raises(ConfigError, match="in use"):
            low_rank.detach("VT")
        with pytest.raises(ConfigError, match="in use"):
            low_rank.merge("AT")
    assert same(vectors(encoder), plain)


def test_the_changes_of_several_active_adapters_add_up() -> None:
    module, low_rank = layers_with(LowRankConfig(rank=3, alpha=5.0))
    low_rank.attach("VA", LowRankConfig(rank=2, alpha=1.0))
    stir(low_rank, "VA")
    values = torch.eye(5)
    with torch.no_grad():
        plain = module(values)
        with low_rank.active("VT", "VA"):
            found = (module(values) - plain).T.numpy()
    expected = change(low_rank, "linear", 5 / 3) + change(low_rank, "linear", 1 / 2, "VA")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_of_several_adapters_are_refused_where_they_cannot_be_told_apart() -> None:
    module, low_rank = layers_with(LowRankConfig())
    values = torch.randn(6, 5)
    plain = module(values)
    with pytest.raises(ConfigError, match="reached a layer as 6"), low_rank.active_rows([Rows("VT", 0, 5)]):
        module(values)
    assert torch.equal(module(values), plain), "a failing forward left hooks behind"
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())
    for rows in ([], [Rows("VT", 1, 5)], [Rows("VT", 0, 3), Rows(None, 4, 6)], [Rows("VT", 0, 3), Rows(None, 3, 2)]):
        with pytest.raises(ConfigError, match="rows"), low_rank.active_rows(rows):
            pass
    with pytest.raises(ConfigError, match="did you mean 'VT'"), low_rank.active_rows([Rows("VTT", 0, 6)]):
        pass


def test_switching_touches_every_layer_equally_often_whatever_is_attached() -> None:
    """Counted, not timed: assignments to a layer in one switch, and adapters looked at."""

    def assignments(low_rank: LowRank) -> int:
        count = 0
        kind = type(low_rank.layers[0])

        def counting(self: nn.Module, name: str, value: object) -> None:
            nonlocal count
            count += 1
            original(self, name, value)

        original = kind.__setattr__
        kind.__setattr__ = counting
        try:
            with low_rank.active("a0"):
                pass
        finally:
            del kind.__setattr__
        return count

    module = Layers()
    low_rank = LowRank(module)
    low_rank.attach("a0", LowRankConfig(rank=1))
    few = assignments(low_rank)
    for number in range(1, 12):
        low_rank.attach(f"a{number}", LowRankConfig(rank=1))
    assert assignments(low_rank) == few == 2 * len(low_rank.layers)


@pytest.mark.parametrize("num_layers", [3, 25])
def test_the_layers_that_are_named_get_matrices_and_no_others(num_layers: int) -> None:
    """PEFT reads names as endings, and shortens lists of twenty or more."""
    blocks = {f"b{i}": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for i in range(num_layers)}
    low_rank = LowRank(nn.ModuleDict({**blocks, "1": nn.Linear(2, 2)}))
    low_rank.attach("VT", LowRankConfig(rank=1, targets=r"b\d+\.1"))
    low_rank.attach("VA", LowRankConfig(rank=1, targets="1"))
    low_rank.attach("AT", LowRankConfig(rank=1, targets=r"b1\.0"))
    expected = {"VT": {f"b{i}.1" for i in range(num_layers)}, "VA": {"1"}, "AT": {"b1.0"}}
    for name, layers in expected.items():
        assert low_rank.saved(name).settings["target_modules"] == sorted(layers)
        assert {key.split(".lora")[0] for key in low_rank.tensors(name)} == {
            f"base_model.model.{layer}" for layer in layers
        }
    low_rank.attach_saved("again", low_rank.saved("VT"), "memory")
    assert low_rank.saved("again").settings == low_rank.saved("VT").settings | {"inference_mode": True}


def test_names_of_weights_are_as_before() -> None:
    encoder = base()
    before = list(plain_state(encoder))
    assert before == list(encoder.state_dict())
    low_rank = LowRank(encoder)
    low_rank.attach("T-VA", LowRankConfig(weight_decomposed=True, targets="linear and convolution"))
    assert list(plain_state(encoder)) == before
    assert list(find_layers(encoder)) == [
        name for name, layer in base().named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))
    ]
    assert all(".lora_B.T-VA." in name for name in matrices_b(encoder))
    assert len(matrices_b(encoder)) == len(low_rank.layers) == len(find_layers(encoder))


def test_somebody_elses_base_layer_keeps_its_name() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base_layer = nn.Linear(2, 2)
            self.other = nn.Linear(2, 2)

    module = nn.Sequential(Own())
    assert list(plain_state(module)) == list(module.state_dict())
    low_rank = LowRank(module)
    low_rank.attach("VT", LowRankConfig(rank=1, targets=".*other"))
    assert list(plain_state(module)) == list(nn.Sequential(Own()).state_dict())


def test_shapes_are_told_in_advance() -> None:
    module, low_rank = layers_with(LowRankConfig(rank=3, weight_decomposed=True, targets="linear and convolution"))
    expected: dict[str, tuple[int, ...]] = {}
    for name, layer in find_layers(module).items():
        expected |= matrix_shapes(f"base_model.model.{name}", layer, 3, True)
    assert {key: tuple(tensor.shape) for key, tensor in low_rank.tensors("VT").items()} == expected


def test_random_starts_depend_on_seed_and_name_and_leave_the_generator_alone() -> None:
    def start(name: str, seed: int) -> Tensor:
        torch.manual_seed(9)
        module = Layers()
        state = torch.get_rng_state()
        low_rank = LowRank(module)
        low_rank.attach(name, LowRankConfig(), seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
        return low_rank.tensors(name)["base_model.model.linear.lora_A.weight"]

    assert torch.equal(start("VT", 1), start("VT", 1))
    assert not torch.equal(start("VT", 1), start("VT", 2))
    assert not torch.equal(start("VT", 1), start("VA", 1))


REFUSED = {
    "orthogonal convolution": (LowRankConfig(initial="orthogonal", targets="linear and convolution"), "convolution"),
    "pissa convolution": (LowRankConfig(initial="pissa", rank=2, targets="linear and convolution"), "convolution"),
    "pissa rank": (LowRankConfig(initial="pissa", rank=5), "lower the rank"),
    "olora rank": (LowRankConfig(initial="olora", rank=5), "lower the rank"),
    "no layer": (LowRankConfig(targets="lin"), "its layers are linear, conv, narrow"),
    "no expression": (LowRankConfig(targets="("), "regular expression"),
}


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_attached_is_refused_before_anything_is_changed(config: LowRankConfig, message: str) -> None:
    module = Layers()
    low_rank = LowRank(module)
    with pytest.raises(ConfigError, match=message):
        low_rank.attach("VT", config)
    assert [type(layer) for layer in module.modules()] == [type(layer) for layer in Layers().modules()]
    assert low_rank.names == ()


@pytest.mark.parametrize("name", ["", "a.b", "keys", "training", "VT at the start", "VT"])
def test_unusable_names_are_refused(name: str) -> None:
    low_rank = LowRank(Layers())
    low_rank.attach("VT", LowRankConfig())
    with pytest.raises(ConfigError, match="cannot name"):
        low_rank.attach(name, LowRankConfig())
    assert low_rank.names == ("VT",)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "grouped"),
        (nn.Conv1d(4, 4, 3, dilation=2), "dilated"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), "circular"),
    ],
)
def test_convolutions_that_matrices_do_not_follow_are_refused(layer: nn.Module, why: str) -> None:
    module = nn.Sequential(layer)
    with pytest.raises(ConfigError, match=why):
        LowRank(module).attach("VT", LowRankConfig(rank=2, targets="linear and convolution"))
    assert module[0] is layer


def test_dora_refuses_weights_without_a_direction() -> None:
    """It would divide by their length and make every vector NaN."""
    module = Layers()
    module.linear.weight.data[1] = 0
    with pytest.raises(ConfigError, match="linear has an output whose weights are all zero"):
        LowRank(module).attach("VT", LowRankConfig(weight_decomposed=True))
    LowRank(module).attach("VT", LowRankConfig())


def test_a_layer_that_is_never_called_gets_no_matrices() -> None:
    module = nn.Sequential(nn.MultiheadAttention(4, 2), nn.Linear(4, 4))
    assert find_targets(module, "linear") == ("1",)


def test_a_second_owner_is_refused() -> None:
    module, _ = layers_with(LowRankConfig())
    with pytest.raises(ConfigError, match="another owner"):
        LowRank(module).attach("VA", LowRankConfig())


def test_a_merge_that_fails_halfway_changes_nothing() -> None:
    encoder = base()
    before, low_rank = base_hash(encoder), LowRank(encoder)
    low_rank.attach("VT", CONVOLUTIONS, within(SIDES["VT"]))
    stir(low_rank, "VT")
    last = list(low_rank.tensors("VT").values())[-1]
    last.fill_(torch.nan)
    with pytest.raises(ConfigError, match="cannot be merged"):
        low_rank.merge("VT")
    assert base_hash(encoder) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "at least 1"),
        ({"alpha": 0.0}, "above 0"),
        ({"alpha": float("nan")}, "above 0"),
        ({"alpha": float("inf")}, "finite"),
        ({"dropout": 1.0}, "dropout"),
        ({"rank": 3, "initial": "orthogonal"}, "even"),
        ({"weight_decomposed": True, "initial": "pissa"}, "take the weights apart"),
    ],
)
def test_settings_of_matrices_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LowRankConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("sides", [(), ("video", "video"), ("audio",)])
def test_an_adapter_changes_sides_of_its_pair(sides: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="changes some of"):
        AdapterConfig(left=("video",), right=("text",), sides=sides)
    config = AdapterConfig(left=("video",), right=("text",), sides=("text",))
    assert config.pair == Pair(("video",), ("text",))
    with pytest.raises(ConfigError, match="disjoint"):
        AdapterConfig(left=("video",), right=("video",), sides=("video",))


def test_adapters_are_named_after_their_pair_whichever_way_round() -> None:
    video, audio, text = "video", "audio", "text"
    assert adapter_name(Pair((video,), (text,)), STANDARD) == adapter_name(Pair((text,), (video,)), STANDARD) == "VT"
    assert adapter_name(Pair((text,), (audio,)), STANDARD) == "AT"
    for pair in (Pair((text,), (video, audio)), Pair((audio, video), (text,))):
        assert adapter_name(pair, STANDARD) == "T-VA"
    depth = (*STANDARD, Modality("depth", "D"))
    for pair in (Pair((text, "depth"), (audio, video)), Pair((video, audio), ("depth", text))):
        assert adapter_name(pair, depth) == "VA-TD"
    with pytest.raises(ConfigError, match="depth"):
        adapter_name(Pair((video,), ("depth",)), STANDARD)


def test_errors_are_the_users_to_mend() -> None:
    assert issubclass(ConfigError, TrichordError)
    assert isinstance(base(), JointEncoder)

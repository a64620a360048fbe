from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from encoder_cases import select, sequence_features
from torch.nn import functional

from trichord.batch import Features
from trichord.encoders import AudioEncoder, AudioEncoderConfig, ResDAVEnet
from trichord.encoders.resdavenet import halved
from trichord.errors import ConfigError, DataError

MASKED = AudioEncoderConfig(input_dim=6, output_dim=5, widths=(4, 3, 6, 5))
PUBLISHED = replace(MASKED, mask_padding=False, padding_value=0.0, training_frames=70, evaluation_frames=67)
LENGTHS = [70, 33, 1, 16, 48]


def encoder_of(config: AudioEncoderConfig) -> AudioEncoder:
    """An encoder whose batch norms hold statistics of some data rather than zeros and ones."""
    torch.manual_seed(2)
    encoder = AudioEncoder(config)
    for seed in range(3):
        encoder(sequence_features([60, 50, 40], config.input_dim, seed=10 + seed))
    return encoder.eval()


def normed(x: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    scale = state[f"{name}.weight"] / (state[f"{name}.running_var"] + 1e-5).sqrt()
    shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale
    return x * scale[:, None] + shift[:, None]


def plain_trunk(state: dict[str, torch.Tensor], frames: torch.Tensor, num_stages: int) -> torch.Tensor:
    """The trunk on one clip (time, mel) without padding: the first convolution is a matmul, the others are 1-d."""
    x = (frames @ state["stem.weight"][:, 0, :, 0].T).T[None]
    x = normed(x, state, "stem_norm").relu()
    for stage in range(num_stages):
        for block, stride in enumerate((2, 1)):
            at = f"stages.{stage}.{block}"
            y = functional.conv1d(x, state[f"{at}.conv1.weight"][:, :, 0], stride=stride, padding=4)
            y = normed(y, state, f"{at}.norm1").relu()
            y = normed(functional.conv1d(y, state[f"{at}.conv2.weight"][:, :, 0], padding=4), state, f"{at}.norm2")
            if stride == 2:
                x = functional.conv1d(x, state[f"{at}.shortcut.weight"][:, :, 0], stride=2)
                x = normed(x, state, f"{at}.shortcut_norm")
            x = (x + y).relu()
    return x[0].T


@pytest.mark.parametrize("config", [MASKED, PUBLISHED], ids=["masked", "published"])
def test_trunk_and_head_equal_plain_operations_on_one_clip(config: AudioEncoderConfig) -> None:
    encoder, features = encoder_of(config), sequence_features([67], 6)
    state = {name: value.detach() for name, value in encoder.state_dict().items()}
    trunk = {name.removeprefix("trunk."): value for name, value in state.items()}
    positions = plain_trunk(trunk, features.values[0], num_stages=4)
    assert positions.shape == (5, 5), "67 -> 34 -> 17 -> 9 -> 5 positions"
    pooled = positions[: 67 // 16].mean(dim=0)
    u = state["unit.projection.weight"] @ pooled + state["unit.projection.bias"]
    gated = u * torch.sigmoid(state["unit.context.weight"] @ u + state["unit.context.bias"])
    expected = state["projection.weight"] @ gated + state["projection.bias"]
    encoded = encoder(features)
    torch.testing.assert_close(encoded.target[0], pooled)
    torch.testing.assert_close(encoded.embedding[0], expected)


@pytest.mark.parametrize("time", [70, 71, 97, 160])
def test_masked_embedding_is_that_of_the_clip_alone(time: int) -> None:
    encoder = encoder_of(MASKED)
    features = sequence_features(LENGTHS, 6, time=time)
    together = encoder(features)
    for row in range(len(LENGTHS)):
        alone = encoder(select(features, [row]))
        torch.testing.assert_close(alone.target[0], together.target[row], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(alone.embedding[0], together.embedding[row], atol=1e-6, rtol=1e-5)


def test_masked_training_step_does_not_depend_on_padding_either() -> None:
    results = []
    for time in (70, 160):
        encoder = encoder_of(MASKED).double().train()
        features = sequence_features(LENGTHS, 6, time=time)
        encoded = encoder(features)
        encoded.embedding.sin().sum().backward()
        gradients = {name: parameter.grad for name, parameter in encoder.named_parameters()}
        results.append((encoded.embedding.detach(), gradients, dict(encoder.named_buffers())))
    torch.testing.assert_close(results[0], results[1])


def test_published_trunk_lets_padding_reach_true_frames() -> None:
    encoder, features = encoder_of(replace(PUBLISHED, evaluation_frames=70)), sequence_features([33], 6)
    shorter = AudioEncoder(replace(PUBLISHED, evaluation_frames=33)).eval()
    shorter.load_state_dict(encoder.state_dict())
    assert not torch.allclose(encoder(features).embedding, shorter(features).embedding, atol=1e-3)


@pytest.mark.parametrize("training", [True, False])
def test_published_padding_is_the_same_whatever_batch_a_clip_is_in(training: bool) -> None:
    encoder, features = encoder_of(PUBLISHED), sequence_features([60, 33, 1], 6)
    encoder.train(training)
    together = encoder(features)
    longer = encoder(sequence_features([60, 33, 1], 6, time=90))
    torch.testing.assert_close(longer.embedding, together.embedding)
    if not training:
        for row in range(3):
            torch.testing.assert_close(encoder(select(features, [row])).embedding[0], together.embedding[row])


@pytest.mark.parametrize("config", [replace(MASKED, training_frames=40, evaluation_frames=50), PUBLISHED])
def test_longer_clips_are_cropped(config: AudioEncoderConfig) -> None:
    encoder, features = encoder_of(config), sequence_features([90], 6)
    for training, frames in ((True, config.training_frames), (False, config.evaluation_frames)):
        encoder.train(training)
        cut = Features(features.values[:, :frames], features.rows, torch.tensor([frames]))
        torch.testing.assert_close(encoder(features).target, encoder(cut).target)


def test_published_time_pooling_includes_padding_in_training_only() -> None:
    features = sequence_features([70, 33], 6)
    for training, expected in ((True, [5, 5]), (False, [4, 2])):
        config = replace(PUBLISHED, evaluation_frames=70)
        encoder, twin = encoder_of(config).train(training), encoder_of(config).train(training)
        positions = twin.trunk(features.values, None)
        pooled = torch.stack([positions[row, :count].mean(dim=0) for row, count in enumerate(expected)])
        torch.testing.assert_close(encoder(features).target, pooled)


def test_padding_value_stands_in_for_whatever_the_loader_padded_with() -> None:
    features = sequence_features([67, 33], 6)
    spoiled = features.values.clone()
    spoiled[1, 33:] = torch.nan
    for config in (MASKED, PUBLISHED, replace(PUBLISHED, padding_value=-80.0)):
        encoder = encoder_of(config)
        expected = encoder(features).embedding
        torch.testing.assert_close(encoder(Features(spoiled, features.rows, features.lengths)).embedding, expected)
    floor, loudest = encoder_of(replace(PUBLISHED, padding_value=-80.0)), encoder_of(PUBLISHED)
    floor.load_state_dict(loudest.state_dict())
    assert not torch.allclose(floor(features).embedding[1], loudest(features).embedding[1])
    torch.testing.assert_close(floor(features).embedding[0], loudest(features).embedding[0])


def test_positions_halve_as_the_convolutions_do() -> None:
    trunk = ResDAVEnet(3, (2, 2, 2))
    for time in (1, 2, 7, 8, 9, 33):
        lengths = torch.tensor([time])
        assert trunk(torch.randn(1, time, 3), None).shape[1] == int(halved(halved(halved(lengths))))


def test_weights_start_from_the_published_spread() -> None:
    torch.manual_seed(0)
    trunk = ResDAVEnet(40, (64, 64))
    conv = trunk.get_submodule("stages.1.0.conv1")
    assert isinstance(conv, torch.nn.Conv2d)
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.03)
    assert float(trunk.stem.weight.detach().std()) == pytest.approx((2 / (40 * 64)) ** 0.5, rel=0.05)
    assert all(conv.bias is None for conv in trunk.modules() if isinstance(conv, torch.nn.Conv2d))


def test_the_input_norm_of_the_reference_changes_nothing() -> None:
    with_norm = encoder_of(replace(PUBLISHED, unused_input_norm=True))
    without = encoder_of(PUBLISHED)
    extra = set(with_norm.state_dict()) - set(without.state_dict())
    assert {name for name in extra if name.endswith(("weight", "bias"))} == {
        "trunk.input_norm.weight",
        "trunk.input_norm.bias",
    }
    features = sequence_features([40], 6)
    with_norm.load_state_dict(without.state_dict(), strict=False)
    assert torch.equal(with_norm(features).embedding, without(features).embedding)


def test_an_empty_clip_and_bad_settings_are_refused() -> None:
    with pytest.raises(DataError, match="got 0"):
        encoder_of(MASKED)(sequence_features([3, 0], 6))
    with pytest.raises(ConfigError, match=r"widths must hold one width or more.*got \(\)"):
        AudioEncoderConfig(output_dim=5, widths=())
    with pytest.raises(ConfigError, match=r"set training_frames \(published: 1000\)"):
        AudioEncoderConfig(output_dim=5, mask_padding=False)
    with pytest.raises(ConfigError, match="evaluation_frames must be at least 1 or None, got 0"):
        AudioEncoderConfig(output_dim=5, evaluation_frames=0)
    with pytest.raises(ConfigError, match="padding_value must be finite"):
        AudioEncoderConfig(output_dim=5, padding_value=float("nan"))

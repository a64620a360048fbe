"""The suite that every encoder runs through."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from encoder_cases import CASES, pooled_features, select, sequence_features, some_features

from trichord.batch import Encoded, Features
from trichord.config import from_dict
from trichord.encoders import Encoder
from trichord.encoders.contract import EncoderConfig
from trichord.errors import ConfigError, DataError

every_encoder = pytest.mark.parametrize("config", CASES.values(), ids=CASES.keys())


def build(config: EncoderConfig) -> Encoder:
    torch.manual_seed(3)
    encoder: Encoder = config.build()
    return encoder


@every_encoder
def test_sizes_are_those_of_the_configuration(config: EncoderConfig) -> None:
    encoder = build(config)
    encoded: Encoded = encoder(some_features(config))
    assert encoded.embedding.shape == (4, config.output_dim)
    assert encoded.target.shape == (4, config.target_dim)
    assert encoder.target_dim == config.target_dim


@every_encoder
def test_configuration_survives_the_round_trip(config: EncoderConfig) -> None:
    assert from_dict(config.to_dict()) == config


@every_encoder
def test_every_parameter_that_learns_has_a_gradient(config: EncoderConfig) -> None:
    encoder = build(config)
    encoded: Encoded = encoder(some_features(config))
    encoded.embedding.square().sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@every_encoder
@pytest.mark.parametrize("training", [True, False])
def test_no_rows_give_no_rows_and_zero_gradients(config: EncoderConfig, training: bool) -> None:
    encoder = build(config).train(training)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoded: Encoded = encoder(encoder.empty_features())
    assert encoded.embedding.shape == (0, config.output_dim)
    assert encoded.target.shape == (0, config.target_dim)
    encoded.embedding.sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.equal(parameter.grad, torch.zeros_like(parameter)), name
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@every_encoder
def test_in_evaluation_a_row_is_encoded_as_if_alone(config: EncoderConfig) -> None:
    encoder, features = build(config).eval(), some_features(config)
    with torch.no_grad():
        together: Encoded = encoder(features)
        for row in range(4):
            alone: Encoded = encoder(select(features, [row]))
            torch.testing.assert_close(alone.embedding[0], together.embedding[row])
            torch.testing.assert_close(alone.target[0], together.target[row])


@every_encoder
def test_half_precision_storage_is_read(config: EncoderConfig) -> None:
    encoder, features = build(config).eval(), some_features(config)
    stored = Features(features.values.half(), features.rows, features.lengths)
    exact = Features(features.values.half().float(), features.rows, features.lengths)
    torch.testing.assert_close(encoder(stored).embedding, encoder(exact).embedding)


@every_encoder
def test_runs_under_autocast(config: EncoderConfig) -> None:
    encoder, features = build(config), some_features(config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded: Encoded = encoder(features)
    assert torch.isfinite(encoded.embedding.float()).all()
    encoded.embedding.float().sum().backward()  # type: ignore[no-untyped-call]


@every_encoder
def test_the_other_kind_and_other_widths_are_refused(config: EncoderConfig) -> None:
    encoder = build(config)
    wrong_kind = pooled_features(4, 6) if config.builds.sequences else sequence_features([3, 2], 6)
    wrong_width = sequence_features([3, 2], 9) if config.builds.sequences else pooled_features(4, 9)
    for features in (wrong_kind, wrong_width):
        with pytest.raises(DataError) as caught:
            encoder(features)
        assert "6)" in str(caught.value)
        assert str(tuple(features.values.shape)) in str(caught.value)


@every_encoder
def test_lengths_belong_to_sequences_alone(config: EncoderConfig) -> None:
    features = some_features(config)
    lengths = None if config.builds.sequences else torch.ones(4, dtype=torch.long)
    with pytest.raises(DataError, match="lengths"):
        build(config)(Features(features.values, features.rows, lengths))


@every_encoder
def test_statistics_are_fitted_where_there_are_any(config: EncoderConfig) -> None:
    encoder = build(config)
    chunks = [torch.randn(20, 6), torch.randn(5, 6)]
    assert encoder.fit_statistics(chunks) is bool(getattr(config, "standardize", False))
    assert encoder.fit_statistics(chunks) is (encoder.standardize is not None)


@pytest.mark.parametrize("name", ["input_dim", "output_dim"])
@every_encoder
def test_sizes_below_one_are_refused(config: EncoderConfig, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        replace(config, **{name: 0})

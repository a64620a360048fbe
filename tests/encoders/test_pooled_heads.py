from __future__ import annotations

import math

import pytest
import torch
from encoder_cases import pooled_features
from torch.nn import functional

from trichord.encoders import (
    GatedHead,
    GatedHeadConfig,
    LinearHead,
    LinearHeadConfig,
    ResidualHead,
    ResidualHeadConfig,
)
from trichord.errors import ConfigError


def test_gated_head_is_the_published_video_branch() -> None:
    head, features = GatedHead(GatedHeadConfig(input_dim=6, output_dim=5)), pooled_features(3, 6)
    u = features.values @ head.unit.projection.weight.T + head.unit.projection.bias
    expected = u / (1 + torch.exp(-(u @ head.unit.context.weight.T + head.unit.context.bias)))
    torch.testing.assert_close(head(features).embedding, expected)


def test_residual_head_is_linear_plus_branch() -> None:
    config = ResidualHeadConfig(input_dim=6, output_dim=5, hidden_dim=7, layer_norm=True, dropout=0.5)
    head, features = ResidualHead(config).eval(), pooled_features(3, 6)
    weights = {name: value.detach() for name, value in head.state_dict().items()}
    x = features.values
    normed = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    inner = normed @ weights["branch.1.weight"].T + weights["branch.1.bias"]
    active = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    expected = x @ weights["linear.weight"].T + weights["linear.bias"]
    expected = expected + active @ weights["branch.4.weight"].T + weights["branch.4.bias"]
    torch.testing.assert_close(head(features).embedding, expected)


def test_dropout_works_on_the_input_and_in_training_only() -> None:
    head, features = LinearHead(LinearHeadConfig(input_dim=6, output_dim=5, dropout=0.5)), pooled_features(3, 6)
    plain = functional.linear(features.values, head.linear.weight, head.linear.bias)
    assert not torch.allclose(head(features).embedding, plain)
    torch.testing.assert_close(head.eval()(features).embedding, plain)


def test_standardisation_comes_first_and_the_target_stays_the_input() -> None:
    config = LinearHeadConfig(input_dim=6, output_dim=5, standardize=True)
    head, features = LinearHead(config), pooled_features(50, 6, seed=4)
    shifted = type(features)(features.values * 3 + 8, features.rows)
    assert head.fit_statistics([shifted.values])
    standard = (shifted.values - shifted.values.mean(0)) / shifted.values.std(0, correction=0)
    encoded = head(shifted)
    torch.testing.assert_close(encoded.embedding, head.linear(standard), atol=1e-4, rtol=1e-4)
    assert torch.equal(encoded.target, shifted.values)


def test_embeddings_are_not_normalised() -> None:
    head, features = GatedHead(GatedHeadConfig(input_dim=6, output_dim=5)), pooled_features(30, 6)
    assert head(features).embedding.norm(dim=1).std() > 0.01


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dropout must lie in \[0, 1\), got 1"):
        GatedHeadConfig(input_dim=6, output_dim=5, dropout=1.0)
    with pytest.raises(ConfigError, match="set standardize as well"):
        LinearHeadConfig(input_dim=6, output_dim=5, whiten=True)
    with pytest.raises(ConfigError, match="hidden_dim must be at least 1"):
        ResidualHeadConfig(input_dim=6, output_dim=5, hidden_dim=0)
    with pytest.raises(ConfigError, match="hidden_dim must be at least 1 or None"):
        GatedHeadConfig(input_dim=6, output_dim=5, hidden_dim=0)
    with pytest.raises(ConfigError, match="ridge must be above 0"):
        LinearHeadConfig(input_dim=6, output_dim=5, standardize=True, ridge=0.0)

from __future__ import annotations

import pytest
import torch
from encoder_cases import sequence_features

from trichord.batch import Features
from trichord.encoders import WordPool, WordPoolConfig
from trichord.errors import ConfigError, DataError


def word_pool(*, mask_padding: bool = True, max_words: int | None = None) -> WordPool:
    torch.manual_seed(1)
    config = WordPoolConfig(input_dim=4, output_dim=6, mask_padding=mask_padding, max_words=max_words)
    encoder = WordPool(config)
    with torch.no_grad():
        encoder.word.bias.copy_(torch.tensor([2.0, -2.0, 1.5, 0.0, -0.1, 0.4]))
    return encoder


def plain_maximum(encoder: WordPool, sentence: torch.Tensor) -> list[float]:
    """max over words of max(0, w . word + b), with loops."""
    weight, bias = encoder.word.weight.tolist(), encoder.word.bias.tolist()
    scores = [
        [sum(w * x for w, x in zip(weight[j], word, strict=True)) + bias[j] for j in range(len(bias))]
        for word in sentence.tolist()
    ]
    return [max(0.0, *(score[j] for score in scores)) for j in range(len(bias))]


def test_masked_maximum_is_over_true_words() -> None:
    encoder, features = word_pool(), sequence_features([3, 1, 5], 4, time=9)
    encoded = encoder(features)
    for row, length in enumerate([3, 1, 5]):
        expected = plain_maximum(encoder, features.values[row, :length])
        torch.testing.assert_close(encoded.target[row], torch.tensor(expected))
    u = encoder.unit.projection(encoded.target)
    torch.testing.assert_close(encoded.embedding, u * torch.sigmoid(encoder.unit.context(u)))


def test_published_maximum_includes_zero_rows_up_to_twenty() -> None:
    encoder, features = word_pool(mask_padding=False, max_words=20), sequence_features([3, 1, 5], 4)
    encoded = encoder(features)
    for row, length in enumerate([3, 1, 5]):
        padded = torch.zeros(20, 4)
        padded[:length] = features.values[row, :length]
        torch.testing.assert_close(encoded.target[row], torch.tensor(plain_maximum(encoder, padded)))
    assert (encoded.target[:, 0] >= 2).all(), "ReLU(bias) of the padding is a lower bound"
    assert (word_pool()(features).target[:, 0] < 2).any(), "and masked it is none"


def test_a_full_sentence_is_the_same_either_way() -> None:
    features = sequence_features([5, 5], 4)
    published, masked = word_pool(mask_padding=False, max_words=5), word_pool()
    torch.testing.assert_close(published(features).embedding, masked(features).embedding)


@pytest.mark.parametrize("mask_padding", [True, False])
def test_what_stands_in_the_padding_has_no_influence(mask_padding: bool) -> None:
    encoder, features = word_pool(mask_padding=mask_padding, max_words=8), sequence_features([3, 1, 5], 4)
    spoiled = features.values.clone()
    spoiled[0, 3:], spoiled[1, 1:] = torch.nan, 1e6
    found = encoder(Features(spoiled, features.rows, features.lengths))
    torch.testing.assert_close(found.embedding, encoder(features).embedding)
    found.embedding.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("mask_padding", [True, False])
def test_words_beyond_the_limit_are_not_read(mask_padding: bool) -> None:
    encoder, features = word_pool(mask_padding=mask_padding, max_words=2), sequence_features([6, 2], 4)
    short = Features(features.values[:, :2], features.rows, torch.tensor([2, 2]))
    torch.testing.assert_close(encoder(features).embedding, encoder(short).embedding)


def test_an_empty_sentence_is_an_error_or_all_padding() -> None:
    features = sequence_features([3, 0, 5], 4)
    features = Features(features.values, torch.tensor([4, 7, 9]), features.lengths)
    with pytest.raises(DataError, match=r"row 7: a sequence must have 1 to 5 steps \(the padded length\), got 0"):
        word_pool()(features)
    encoder = word_pool(mask_padding=False, max_words=8)
    torch.testing.assert_close(encoder(features).target[1], encoder.word.bias.detach().clamp_min(0))


def test_lengths_beyond_the_values_are_refused() -> None:
    features = sequence_features([3, 2], 4)
    with pytest.raises(DataError, match="got 4"):
        word_pool()(Features(features.values, features.rows, torch.tensor([3, 4])))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="set max_words"):
        WordPoolConfig(input_dim=4, output_dim=6, mask_padding=False)
    with pytest.raises(ConfigError, match="max_words must be at least 1 or None, got 0"):
        WordPoolConfig(input_dim=4, output_dim=6, max_words=0)

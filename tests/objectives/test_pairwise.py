from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from trichord.errors import ConfigError
from trichord.objectives import InfoNCEConfig, MaskedMarginSoftmaxConfig, PairwiseConfig, WeightedPairConfig
from trichord.objectives.infonce import info_nce
from trichord.objectives.mms import masked_margin_softmax

TV = WeightedPairConfig(left=("text",), right=("video",))
T_VA = WeightedPairConfig(left=("text",), right=("video", "audio"), weight=0.25)


def test_only_rows_that_hold_both_sides_enter_a_term(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings(missing={"video": (0, 1), "audio": (1, 2), "text": (3,)})
    terms = PairwiseConfig(objective=MaskedMarginSoftmaxConfig(), pairs=(TV, T_VA)).build()(embeddings).terms
    video, audio, text = (embeddings.vectors[name] for name in ("video", "audio", "text"))
    both, three = [2, 4, 5, 6, 7, 8, 9, 10, 11], [4, 5, 6, 7, 8, 9, 10, 11]
    assert list(terms) == ["text-video", "text-video+audio"]
    torch.testing.assert_close(terms["text-video"], masked_margin_softmax(text[both], video[both]))
    composite = masked_margin_softmax(text[three], video[three] + audio[three])
    torch.testing.assert_close(terms["text-video+audio"], 0.25 * composite)


def test_composite_sums_are_normalised_on_request_and_single_sides_never(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    video, audio, text = (embeddings.vectors[name] for name in ("video", "audio", "text"))
    config = PairwiseConfig(objective=InfoNCEConfig(), pairs=(TV, T_VA), normalize_joined=True)
    terms = config.build()(embeddings).terms
    torch.testing.assert_close(terms["text-video"], info_nce(text, video, 1 / 0.07))
    expected = 0.25 * info_nce(text, functional.normalize(video + audio, dim=1), 1 / 0.07)
    torch.testing.assert_close(terms["text-video+audio"], expected)


@pytest.mark.parametrize(("shared", "num_scales"), [(True, 1), (False, 2)])
def test_one_temperature_for_all_pairs_or_one_for_each(shared: bool, num_scales: int) -> None:
    objective = PairwiseConfig(objective=InfoNCEConfig(), pairs=(TV, T_VA), shared=shared).build()
    assert len(list(objective.parameters())) == num_scales


def test_temperatures_of_their_own_learn_apart(make_embeddings: Callable[..., Any]) -> None:
    objective = PairwiseConfig(objective=InfoNCEConfig(), pairs=(TV, T_VA), shared=False).build()
    objective(make_embeddings()).terms["text-video"].backward()
    gradients = {name: parameter.grad for name, parameter in objective.named_parameters()}
    assert gradients["objectives.text-video.scale.log_scale"] is not None
    assert gradients["objectives.text-video+audio.scale.log_scale"] is None


@pytest.mark.parametrize(
    ("left", "right"),
    [((), ("video",)), (("text",), ()), (("text",), ("text",)), (("text",), ("video", "video"))],
)
def test_sides_must_be_filled_disjoint_and_without_repeats(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        WeightedPairConfig(left=left, right=right)


def test_bad_weights_and_bad_lists_of_pairs_are_refused() -> None:
    with pytest.raises(ConfigError, match="weight of pair 'text-video'"):
        WeightedPairConfig(left=("text",), right=("video",), weight=0.0)
    with pytest.raises(ConfigError, match="each once"):
        PairwiseConfig(objective=MaskedMarginSoftmaxConfig(), pairs=(TV, TV))
    with pytest.raises(ConfigError, match="at least one pair"):
        PairwiseConfig(objective=MaskedMarginSoftmaxConfig(), pairs=())

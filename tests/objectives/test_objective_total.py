from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from trichord.config import from_dict
from trichord.errors import ConfigError
from trichord.objectives import (
    AreaConfig,
    ClusterConfig,
    MaskedMarginSoftmaxConfig,
    ObjectiveConfig,
    PairwiseConfig,
    ReconstructionConfig,
    VolumeConfig,
    WeightedPairConfig,
)

PAIRWISE = PairwiseConfig(
    objective=MaskedMarginSoftmaxConfig(), pairs=(WeightedPairConfig(left=("text",), right=("video",)),), weight=2.0
)
VOLUME = VolumeConfig(anchor="text", others=("video", "audio"), weight=0.5)


def test_terms_are_named_and_weighted(make_embeddings: Callable[..., Any]) -> None:
    parts = {
        "contrast": PAIRWISE,
        "cluster": ClusterConfig(modalities=("video", "text"), dim=8, num_clusters=3, memory_size=0),
        "reconstruction": ReconstructionConfig(dim=8, dims={"video": 5}, hidden=4, weight=50.0),
        "volume": VOLUME,
    }
    objective, embeddings = ObjectiveConfig(parts=parts).build().eval(), make_embeddings()
    result = objective(embeddings)
    assert list(result.terms) == [
        "contrast/text-video",
        "cluster/video",
        "cluster/text",
        "reconstruction/video",
        "volume",
    ]
    for part, config in parts.items():
        alone = objective.parts[part](embeddings).total * config.weight
        together = sum(term for name, term in result.terms.items() if name.split("/")[0] == part)
        torch.testing.assert_close(together, alone)
    torch.testing.assert_close(result.total, sum(result.terms.values()))


def test_the_state_dict_holds_parameters_and_state_by_part() -> None:
    parts = {
        "contrast": PAIRWISE,
        "cluster": ClusterConfig(modalities=("video",), dim=2, num_clusters=2),
        "volume": VOLUME,
    }
    names = set(ObjectiveConfig(parts=parts).build().state_dict())
    memory = {"memory.rows", "memory.cursor", "memory.filled", "centroids", "num_steps", "initialised"}
    assert names == {f"parts.cluster.{name}" for name in memory} | {"parts.volume.contrast.scale.log_scale"}


@pytest.mark.parametrize("part", [VOLUME, AreaConfig(anchor="text", others=("video", "audio"))])
def test_volume_and_area_need_a_pairwise_part(part: Any) -> None:
    with pytest.raises(ConfigError, match=r"part 'shape' measures volume or area.*add a PairwiseConfig"):
        ObjectiveConfig(parts={"shape": part})
    ObjectiveConfig(parts={"shape": part, "contrast": PAIRWISE})


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "values", "training"])
def test_names_that_cannot_head_a_term_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a part"):
        ObjectiveConfig(parts={name: PAIRWISE})


def test_no_parts_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one part"):
        ObjectiveConfig(parts={})


def test_configuration_survives_a_round_trip() -> None:
    config = ObjectiveConfig(parts={"contrast": PAIRWISE, "volume": VOLUME})
    assert from_dict(config.to_dict()) == config

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from trichord.batch import Embeddings
from trichord.errors import ConfigError
from trichord.objectives import Reconstruction, ReconstructionConfig

CONFIG = ReconstructionConfig(dim=8, dims={"video": 5, "text": 5}, hidden=6)


def test_equals_a_loop_over_present_rows(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings(missing={"video": (0, 3), "text": (1,)})
    objective = CONFIG.build()
    terms = objective(embeddings).terms
    assert list(terms) == ["video", "text"]
    for name in terms:
        weights = [parameter.detach() for parameter in objective.decoders[name].parameters()]
        errors = []
        for row in range(12):
            if embeddings.present[name][row]:
                hidden = (weights[0] @ embeddings.vectors[name][row] + weights[1]).clamp(min=0)
                rebuilt = weights[2] @ hidden + weights[3]
                errors += [d**2 for d in (rebuilt - embeddings.targets[name][row]).tolist()]
        assert terms[name].item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)


@pytest.mark.parametrize("detach", [True, False])
def test_the_target_learns_only_when_it_is_not_detached(detach: bool, make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    dataclasses.replace(CONFIG, detach_targets=detach).build()(embeddings).total.backward()
    gradient = embeddings.targets["video"].grad
    assert (gradient is None) if detach else (gradient.abs().sum() > 0)
    assert embeddings.vectors["video"].grad.abs().sum() > 0


def test_output_relu_keeps_what_is_rebuilt_non_negative() -> None:
    vectors = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    plain = CONFIG.build().decoders["video"](vectors)
    torch.manual_seed(0)
    clamped = dataclasses.replace(CONFIG, output_relu=True).build().decoders["video"](vectors)
    assert (plain < 0).any()
    torch.testing.assert_close(clamped, plain.clamp(min=0))


def test_published_sizes_have_the_published_number_of_parameters() -> None:
    dims = {"video": 4096, "audio": 1024, "text": 6144}
    with torch.device("meta"):
        decoders = Reconstruction(ReconstructionConfig(dim=6144, dims=dims, output_relu=True))
    assert sum(parameter.numel() for parameter in decoders.parameters()) == 223_776_770 - 193_353_730


def test_it_can_be_learned(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings(batch=6)
    torch.manual_seed(0)
    objective = dataclasses.replace(CONFIG, hidden=64).build()
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.01)
    first = objective(embeddings).total.item()
    for _ in range(150):
        optimizer.zero_grad()
        objective(embeddings).total.backward()
        optimizer.step()
    assert objective(embeddings).total.item() < first / 100


def test_a_target_that_is_missing_or_of_another_width_is_refused(make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings()
    with pytest.raises(ConfigError, match="targets for \\[\\]"):
        CONFIG.build()(Embeddings(embeddings.vectors, embeddings.present))
    with pytest.raises(ConfigError, match=r"widths \(8, 5\).*set to \(8, 4\)"):
        dataclasses.replace(CONFIG, dims={"video": 4}).build()(embeddings)


@pytest.mark.parametrize("changes", [{"dims": {}}, {"dims": {"video": 0}}, {"hidden": 0}, {"dim": 0}])
def test_impossible_widths_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="every width be at least 1"):
        dataclasses.replace(CONFIG, **changes)

"""What every set objective must do; a new one joins by a line in CASES."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from trichord.batch import Embeddings
from trichord.config import from_dict
from trichord.errors import ConfigError
from trichord.objectives import (
    AreaConfig,
    ClusterConfig,
    InfoNCEConfig,
    LossTerms,
    MaskedMarginSoftmaxConfig,
    PairwiseConfig,
    ReconstructionConfig,
    SetObjective,
    SetObjectiveConfig,
    VolumeConfig,
    WeightedPairConfig,
)

ALL = ("video", "audio", "text")
PAIRS = (
    WeightedPairConfig(left=("text",), right=("video",)),
    WeightedPairConfig(left=("text",), right=("video", "audio"), weight=0.5),
)
CASES: dict[str, SetObjectiveConfig] = {
    "pairwise mms": PairwiseConfig(objective=MaskedMarginSoftmaxConfig(), pairs=PAIRS),
    "pairwise infonce": PairwiseConfig(objective=InfoNCEConfig(), pairs=PAIRS, shared=False, normalize_joined=True),
    "cluster": ClusterConfig(modalities=ALL, dim=8, num_clusters=3, memory_size=30),
    "cluster fused": ClusterConfig(modalities=ALL, dim=8, num_clusters=3, memory_size=0, contrast="fused"),
    "cluster published": ClusterConfig(
        modalities=ALL, dim=8, num_clusters=3, memory_size=30, centroids="mean", temperature=None
    ),
    "reconstruction": ReconstructionConfig(dim=8, dims=dict.fromkeys(ALL, 5), hidden=7),
    "volume": VolumeConfig(anchor="text", others=("video", "audio")),
    "area": AreaConfig(anchor="text", others=("video", "audio")),
}
# What of the embeddings a case must keep its rows' loss from: rows lacking something, differently for each modality.
MISSING = {"video": (0, 5), "audio": (1, 5, 6), "text": (2,)}
NOBODY = dict.fromkeys(ALL, tuple(range(12)))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def objective(case: str) -> SetObjective:
    torch.manual_seed(0)
    built = CASES[case].build()
    assert isinstance(built, SetObjective)
    return built


def reordered(embeddings: Embeddings, order: torch.Tensor) -> Embeddings:
    tables = (embeddings.vectors, embeddings.present, embeddings.targets)
    return Embeddings(*({name: table[order] for name, table in tables_.items()} for tables_ in tables))


def warmed(objective: SetObjective, embeddings: Embeddings) -> SetObjective:
    """Give an objective with state something to stand on, then stop it from changing."""
    objective.train()
    objective(embeddings)
    return objective.eval()


def test_every_set_objective_is_here() -> None:
    concrete: list[type[Any]] = []
    waiting: list[type[Any]] = [SetObjectiveConfig]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if found.builds is not None and found.__module__.startswith("trichord."):
            concrete.append(found)
    assert set(map(type, CASES.values())) == set(concrete)


def test_terms_are_finite_scalars_with_gradients(objective: SetObjective, make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings(missing=MISSING)
    terms = objective(embeddings)
    assert isinstance(terms, LossTerms)
    assert all(term.shape == () and torch.isfinite(term) and term > 0 for term in terms.terms.values())
    torch.autograd.backward(terms.total)
    for name, vectors in embeddings.vectors.items():
        assert torch.isfinite(vectors.grad).all()
        assert vectors.grad.abs().sum() > 0
        assert (vectors.grad[~embeddings.present[name]] == 0).all()


def test_nobody_present_gives_the_same_names_and_zero(
    objective: SetObjective, make_embeddings: Callable[..., Any]
) -> None:
    full = warmed(objective, make_embeddings())(make_embeddings())
    for embeddings in (make_embeddings(missing=NOBODY), make_embeddings(batch=0)):
        for training in (False, True):
            terms = objective.train(training)(embeddings)
            assert list(terms.terms) == list(full.terms)
            assert terms.total.item() == 0
            terms.total.backward()
            assert all(parameter.grad is not None for parameter in objective.parameters())


def test_before_any_state_nobody_present_gives_zero(
    objective: SetObjective, make_embeddings: Callable[..., Any]
) -> None:
    total = objective(make_embeddings(missing=NOBODY)).total
    total.backward()
    assert total.item() == 0


def test_order_of_rows_changes_nothing(objective: SetObjective, make_embeddings: Callable[..., Any]) -> None:
    embeddings = make_embeddings(missing=MISSING)
    warmed(objective, embeddings)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(objective(reordered(embeddings, order)).total, objective(embeddings).total)


def test_rows_that_hold_nothing_change_nothing(objective: SetObjective, make_embeddings: Callable[..., Any]) -> None:
    nothing = dict.fromkeys(ALL, (3, 4, 11))
    embeddings = make_embeddings(missing=nothing)
    warmed(objective, embeddings)
    rest = torch.tensor([0, 1, 2, 5, 6, 7, 8, 9, 10])
    torch.testing.assert_close(objective(embeddings).total, objective(reordered(embeddings, rest)).total)


def test_what_lies_in_missing_rows_changes_nothing(
    objective: SetObjective, make_embeddings: Callable[..., Any]
) -> None:
    clean = make_embeddings(missing=MISSING)
    warmed(objective, clean)

    def soiled(tables: Any) -> dict[str, torch.Tensor]:
        return {name: torch.where(clean.present[name].unsqueeze(1), table, 7.0) for name, table in tables.items()}

    dirty = Embeddings(soiled(clean.vectors), clean.present, soiled(clean.targets))
    torch.testing.assert_close(objective(dirty).total, objective(clean).total)


def test_evaluation_changes_no_state(objective: SetObjective, make_embeddings: Callable[..., Any]) -> None:
    warmed(objective, make_embeddings())
    before = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    objective(make_embeddings(seed=1))
    assert all(torch.equal(before[name], tensor) for name, tensor in objective.state_dict().items())


def test_a_loaded_state_continues_bit_equal(
    case: str, objective: SetObjective, make_embeddings: Callable[..., Any]
) -> None:
    def step(module: SetObjective, optimizer: torch.optim.Optimizer | None, seed: int) -> torch.Tensor:
        total: torch.Tensor = module.train()(make_embeddings(seed=seed, missing=MISSING)).total
        torch.autograd.backward(total)
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        return total

    def optimizer_of(module: SetObjective) -> torch.optim.Optimizer | None:
        parameters = list(module.parameters())
        return torch.optim.SGD(parameters, lr=0.1) if parameters else None

    for seed in range(3):
        step(objective, optimizer_of(objective), seed)
    copy = CASES[case].build()
    copy.load_state_dict(objective.state_dict())
    for seed in range(3, 26):
        expected, found = step(objective, optimizer_of(objective), seed), step(copy, optimizer_of(copy), seed)
        assert torch.equal(expected, found)
    saved = copy.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in objective.state_dict().items())


def test_a_modality_that_is_not_there_is_refused(objective: SetObjective, make_embeddings: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"names \['video'\], but the embeddings hold \['audio', 'text'\]"):
        objective(make_embeddings(names=("audio", "text")))


def test_configuration_survives_a_round_trip(case: str) -> None:
    assert from_dict(CASES[case].to_dict()) == CASES[case]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_are_above_zero(case: str, weight: float) -> None:
    with pytest.raises(ConfigError, match="weight must be"):
        dataclasses.replace(CASES[case], weight=weight)

"""Every payload keeps these rules, whatever is missing in either node."""

from __future__ import annotations

import pytest
import torch
from graph_outputs import (
    CONFIGS,
    MISSING,
    as_items,
    built,
    check,
    classify,
    compare,
    made,
    permuted,
    randn,
    two_nodes,
)

from trichord.config import from_dict
from trichord.errors import ConfigError
from trichord.graphs.output import NodeOutput
from trichord.graphs.payload import PayloadConfig, RowLosses, mean_by_item
from trichord.graphs.payloads import (
    CentroidsConfig,
    LogitsConfig,
    SimilarityConfig,
)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("push", [False, True])
def test_losses_are_finite_and_differentiable_whatever_is_missing(name: str, missing: str, push: bool) -> None:
    theirs, ours = MISSING[missing]
    source = made(dim=5, seed=1, **theirs)
    left, right = randn(7, 4, seed=4).requires_grad_(), randn(7, 4, seed=5).requires_grad_()
    found = built(CONFIGS[name])(source, compare(left, right, **ours), push=push, seed=0)
    found.values.sum().backward()
    for vectors, side in ((left, "no_left"), (right, "no_right")):
        assert torch.isfinite(vectors.grad).all()
        assert not vectors.grad[list(ours.get(side, ()))].any()


@pytest.mark.parametrize("name", CONFIGS)
def test_an_empty_batch_gives_no_losses_that_are_attached(name: str) -> None:
    source = made(count=0, dim=5)
    left, right = randn(0, 4).requires_grad_(), randn(0, 4).requires_grad_()
    found = built(CONFIGS[name])(source, compare(left, right), push=False, seed=0)
    assert found.values.shape == (0,)
    assert found.values.requires_grad


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("push", [False, True])
def test_gradients_are_those_of_finite_differences(name: str, push: bool) -> None:
    source = made(dim=5, seed=1, no_left=(2,))
    payload = built(CONFIGS[name])

    def loss(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return payload(source, compare(left, right, no_right=(4,)), push=push, seed=0).values

    assert torch.autograd.gradcheck(loss, (randn(7, 4, seed=4).requires_grad_(), randn(7, 4, seed=5).requires_grad_()))


@pytest.mark.parametrize("name", ["similarity", "rows", "columns", "gram"])
def test_a_node_has_nothing_to_learn_from_itself(name: str) -> None:
    left, right = randn(7, 5, seed=4).requires_grad_(), randn(7, 5, seed=5).requires_grad_()
    target = compare(left, right, no_right=(4,))
    loss = built(CONFIGS[name])(target.detached(), target, push=False, seed=0).values
    gradients = torch.autograd.grad(loss.sum(), (left, right))
    torch.testing.assert_close(loss, torch.zeros_like(loss))
    for gradient in gradients:
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_a_node_whose_sides_agree_has_nothing_to_learn_from_its_own_centroids() -> None:
    left = randn(7, 5, seed=4).requires_grad_()
    target = compare(left, left)
    loss = built(CONFIGS["centroids"], 5, 5)(target.detached(), target, push=False, seed=0).values
    (gradient,) = torch.autograd.grad(loss.sum(), left)
    torch.testing.assert_close(loss, torch.zeros_like(loss))
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("push", [False, True])
def test_the_order_of_items_does_not_matter(name: str, push: bool) -> None:
    config = CentroidsConfig(num_clusters=7) if name == "centroids" else CONFIGS[name]
    source, target = two_nodes("both lack something")
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    payload = built(config)
    there = payload(source, target, push=push, seed=0)
    back = payload(permuted(source, order), permuted(target, order), push=push, seed=0)
    check(back, {order.tolist().index(i): value for i, value in as_items(there).items()})


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("push", [False, True])
def test_a_step_down_pulls_together_or_pushes_apart(name: str, push: bool) -> None:
    """How alike two nodes are is measured by the other of the two losses."""
    source = made(dim=5, seed=1)
    left, right = randn(7, 4, seed=4).requires_grad_(), randn(7, 4, seed=5).requires_grad_()
    payload = built(CONFIGS[name])

    def losses(of_push: bool) -> torch.Tensor:
        return payload(source, compare(left, right), push=of_push, seed=0).values.mean()

    before = losses(True).item()
    for vectors, gradient in zip((left, right), torch.autograd.grad(losses(push), (left, right)), strict=True):
        vectors.data -= 0.05 * gradient / gradient.norm()
    assert (losses(True).item() < before) == push


@pytest.mark.parametrize("name", CONFIGS)
def test_half_precision_is_widened(name: str) -> None:
    source, target = two_nodes()
    payload = built(CONFIGS[name]).float()

    def halved(node: NodeOutput, dtype: torch.dtype) -> NodeOutput:
        return compare(*(node.sides[side].vectors.to(dtype) for side in ("left", "right")))

    found = payload(halved(source, torch.bfloat16), halved(target, torch.bfloat16), push=False, seed=0)
    assert found.values.dtype == torch.float32


@pytest.mark.parametrize("name", ["gram", "embedding", "centroids"])
def test_autocast_does_not_reach_the_comparison(name: str) -> None:
    source, target = (compare(*(s.vectors.float() for s in node.sides.values())) for node in two_nodes())
    payload = built(CONFIGS[name]).float()
    plain = payload(source, target, push=False, seed=0).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = payload(source, target, push=False, seed=0).values
    assert torch.equal(plain, cast)


def test_tables_of_different_answers_are_refused() -> None:
    source = classify(randn(6, 3), torch.arange(6) % 3)
    with pytest.raises(ValueError, match="the same answers"):
        built(LogitsConfig(), 3, 3)(source, made(count=6), push=False, seed=0)


@pytest.mark.parametrize("name", ["gram", "embedding", "centroids"])
def test_nodes_without_vectors_are_refused(name: str) -> None:
    assert CONFIGS[name].needs_vectors
    source, target = two_nodes()
    with pytest.raises(ValueError, match="vectors of sides"):
        built(CONFIGS[name])(NodeOutput(None, source.table, {}), target, push=False, seed=0)


@pytest.mark.parametrize("config", [*CONFIGS.values(), LogitsConfig()])
def test_configurations_survive_json_and_refuse_nonsense(config: PayloadConfig) -> None:
    assert from_dict(config.to_dict()) == config
    if hasattr(config, "temperature"):
        for wrong in (0.0, -1.0, float("nan")):
            with pytest.raises(ConfigError, match="temperature"):
                type(config)(temperature=wrong)


def test_directions_are_three() -> None:
    config = SimilarityConfig()
    object.__setattr__(config, "direction", "diagonal")  # past the check of types that tests have and users have not
    with pytest.raises(ConfigError, match="direction must be"):
        config.__post_init__()


def test_an_item_has_the_mean_of_its_parts() -> None:
    one = RowLosses(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 2, 3]))
    other = RowLosses(torch.tensor([5.0, 7.0]), torch.tensor([2, 4]))
    found = mean_by_item([one, other], 6)
    assert as_items(found) == {0: 1.0, 2: 3.5, 3: 3.0, 4: 7.0}

"""The published classification graph (Minami et al., ACCV 2020), against the equations written out sample by sample."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from graph_outputs import classify, randn

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.payloads import LogitsConfig
from trichord.graphs.transfer import node_terms
from trichord.objectives import LossTerms

NAMES = ("n0", "n1", "n2")
KINDS = ("through", "cutoff", "linear", "negative linear", "correct")
NUM_CLASSES, BATCH = 4, 9


def passed(kind: str, losses: list[torch.Tensor], right: list[bool], k: int, k_end: int) -> torch.Tensor:
    """G(l): one of five gates, from losses of samples."""
    mean = sum(losses, torch.zeros((), dtype=torch.float64)) / len(losses)
    if kind == "through":
        return mean
    if kind == "cutoff":
        return 0 * mean
    if kind == "linear":
        return k / k_end * mean
    if kind == "negative linear":
        return (1 - k / k_end) * mean
    kept = [loss for loss, holds in zip(losses, right, strict=True) if holds]
    return sum(kept, torch.zeros((), dtype=torch.float64)) / len(losses)


def published_loss(
    t: int,
    logits: list[torch.Tensor],
    truth: list[int],
    gates: dict[tuple[int, int], str],
    k: int,
    k_end: int,
    temp: float,
) -> torch.Tensor:
    """L_t = G_tt(CE(z_t, y)) + sum_{s != t} T^2 G_st(KL(softmax(z_s / T) || softmax(z_t / T)))."""
    own = [-logits[t][n].log_softmax(0)[truth[n]] for n in range(BATCH)]
    total = passed(gates[t, t], own, [True] * BATCH, k, k_end)
    for s in range(len(logits)):
        if s == t:
            continue
        soft, right = [], []
        for n in range(BATCH):
            p = (logits[s][n].detach() / temp).softmax(0)
            q = (logits[t][n] / temp).softmax(0)
            soft.append(
                sum((p[c] * torch.log(p[c] / (q[c] + 1e-10) + 1e-10) for c in range(NUM_CLASSES)), torch.zeros(()))
            )
            right.append(int(logits[s][n].argmax()) == truth[n])
        total = total + temp**2 * passed(gates[s, t], soft, right, k, k_end)
    return total


def configured(gates: dict[tuple[int, int], str], temperature: float) -> GraphConfig:
    nodes = {
        name: NodeConfig(role="peer" if number else "target", left=("image",), label="digit")
        for number, name in enumerate(NAMES)
    }
    edges = tuple(
        EdgeConfig(
            source=NAMES[s],
            target=NAMES[t],
            payload=LogitsConfig(temperature=temperature),
            gate=GateConfig(kind=gates[s, t]),
        )
        for s, t in itertools.permutations(range(3), 2)
    )
    return GraphConfig(
        nodes=nodes, edges=edges, labels={name: GateConfig(kind=gates[t, t]) for t, name in enumerate(NAMES)}
    )


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("draw", range(6))
def test_losses_and_gradients_of_every_node_are_the_published_ones(draw: int, temperature: float) -> None:
    """Label edges are through or linear, so that every graph is a valid one; the edges between nodes are anything."""
    drawn = random.Random(draw)
    pairs = list(itertools.product(range(3), range(3)))
    gates = {(s, t): drawn.choice(("through", "linear") if s == t else KINDS) for s, t in pairs}
    leaves = [(1.5 * randn(BATCH, NUM_CLASSES, seed=10 * draw + n)).requires_grad_() for n in range(3)]
    truth = [drawn.randrange(NUM_CLASSES) for _ in range(BATCH)]
    labels = torch.tensor(truth)
    graph, k, k_end = configured(gates, temperature), 3, 7
    payloads = {edge.name: edge.payload.build(source_dim=NUM_CLASSES, target_dim=NUM_CLASSES) for edge in graph.edges}
    outputs = {
        name: classify(leaf, labels, label=LossTerms({"digit": torch.nn.functional.cross_entropy(leaf, labels)}))
        for name, leaf in zip(NAMES, leaves, strict=True)
    }
    for t, name in enumerate(NAMES):
        found = node_terms(graph, name, outputs, payloads, k / k_end, seed=0)
        assert found is not None
        expected = published_loss(t, leaves, truth, gates, k, k_end, temperature)
        torch.testing.assert_close(found.total, expected, rtol=1e-6, atol=1e-8)
        gradients = [
            torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True) for loss in (found.total, expected)
        ]
        for ours, theirs in zip(*gradients, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)

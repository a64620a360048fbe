"""What `planted_winners` claims, tested by training linear heads without the package's own training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trichord.data.planted import PlantedConfig, plant
from trichord.data.winners import ORDERS, planted_winners

LETTERS = {"V": "video", "A": "audio", "T": "text"}
EPOCHS, BATCH, RATE, TEMPERATURE = 20, 128, 5e-3, 0.07


def infonce(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    scores = functional.normalize(one, dim=1) @ functional.normalize(other, dim=1).T / TEMPERATURE
    target = torch.arange(len(scores))
    return (functional.cross_entropy(scores, target) + functional.cross_entropy(scores.T, target)) / 2


def train(features: dict[str, torch.Tensor], order: str, dim: int, seed: int) -> dict[str, nn.Module]:
    torch.manual_seed(seed)
    heads: dict[str, nn.Module] = {letter: nn.Linear(features[letter].shape[2], dim) for letter in "VAT"}
    first, _, last = order.partition("_")
    pairs = [(a, b) for i, a in enumerate(first) for b in first[i + 1 :]]
    stages = [(first, pairs), *([(last, [(last, letter) for letter in first])] if last else [])]
    num_items = len(features["V"])
    num_batches = -(-num_items // BATCH)
    for trained, pulled in stages:
        parameters = [parameter for letter in trained for parameter in heads[letter].parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * num_batches)
        for _ in range(EPOCHS):
            for rows in torch.randperm(num_items).tensor_split(num_batches):
                drawn = {k: torch.randint(x.shape[1], (len(rows),)) for k, x in features.items()}
                vectors = {k: heads[k](x[rows, drawn[k]]) for k, x in features.items()}
                loss = torch.stack([infonce(vectors[a], vectors[b]) for a, b in pulled]).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return heads


def hits(vectors: dict[str, torch.Tensor], task: str) -> np.ndarray:
    """Whether the own gallery item is among the first ten, per query."""
    query, gallery = (torch.stack([vectors[k] for k in side]).sum(0) for side in task.split(">"))
    scores = query @ gallery.T
    return ((scores > scores.diag()[:, None]).sum(dim=1) < 10).numpy().astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_claimed_order_wins_every_task_by_a_paired_test(seed):
    config = PlantedConfig(seed=seed)
    corpus = plant(config)
    splits = np.array(corpus.splits)
    parts = {
        split: {k: torch.from_numpy(corpus.features[name][splits == split]) for k, name in LETTERS.items()}
        for split in ("train", "test")
    }
    found = {}
    for order in ORDERS:
        heads = train(parts["train"], order, config.joint_dim, seed)
        with torch.no_grad():
            vectors = {k: functional.normalize(heads[k](x[:, 0]), dim=1) for k, x in parts["test"].items()}
        found[order] = {task: hits(vectors, task) for task in planted_winners(config)}
    assert len(found["AVT"]) == 8
    for task, winner in planted_winners(config).items():
        for order in set(ORDERS) - {winner}:
            lead = found[winner][task] - found[order][task]
            z = lead.mean() / (lead.std() / np.sqrt(len(lead)))
            assert z > 2.6, f"{task}: {winner} over {order} by {100 * lead.mean():.1f} points, z = {z:.1f}"

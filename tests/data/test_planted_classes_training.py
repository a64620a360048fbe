"""What the corpus "conflicting" claims about joint learning, tested by training without the package's own training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trichord.data.planted_classes import plant_classes
from trichord.data.planted_corpora import CONFLICTING

EPOCHS, BATCH, RATE, WIDTH = 40, 64, 1e-3, 128


def logits(models: Sequence[nn.Module], views: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([model(values) for model, values in zip(models, views, strict=True)]).sum(dim=0)


def train(views: Sequence[torch.Tensor], truth: torch.Tensor, epochs: int, seed: int) -> list[nn.Sequential]:
    """Learn a perceptron of each view, their logits summed."""
    torch.manual_seed(seed)
    models = [
        nn.Sequential(
            nn.Sequential(nn.Linear(values.shape[1], WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU()),
            nn.Linear(WIDTH, 8),
        )
        for values in views
    ]
    optimizer = torch.optim.AdamW([parameter for model in models for parameter in model.parameters()], lr=RATE)
    num_batches = len(truth) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * num_batches)
    for _ in range(epochs):
        for rows in torch.randperm(len(truth))[: num_batches * BATCH].view(-1, BATCH):
            loss = functional.cross_entropy(logits(models, [values[rows] for values in views]), truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return models


def answer(told: Sequence[torch.Tensor], weight: float) -> torch.Tensor:
    """Return the classes that an ensemble of two experts names."""
    return ((1 - weight) * told[0] + weight * told[1]).argmax(dim=1)


def probe(encoder: nn.Module, learnt: tuple[torch.Tensor, torch.Tensor], asked: torch.Tensor) -> torch.Tensor:
    """Classify by a regression on the encoder's vectors, standardised: what is in them that a linear map can read."""
    with torch.no_grad():
        known, found = encoder(learnt[0]).double(), encoder(asked).double()
    mean, scale = known.mean(dim=0), known.std(dim=0) + 1e-6
    known, found = (known - mean) / scale, (found - mean) / scale
    targets = functional.one_hot(learnt[1], 8).double() - 1 / 8
    weights = torch.linalg.solve(known.T @ known + 30 * torch.eye(WIDTH, dtype=torch.float64), known.T @ targets)
    return (found @ weights).argmax(dim=1)


@pytest.mark.slow
def test_joint_learning_leaves_the_weak_modality_under_trained_and_an_ensemble_gains_from_it() -> None:
    lags, gains = [], []
    for seed in range(2):
        corpus = plant_classes(replace(CONFLICTING, seed=seed))
        splits, numbers = np.array(corpus.splits), torch.from_numpy(corpus.numbers)
        rows = {split: torch.from_numpy(splits == split) for split in ("train", "val", "test")}
        views = {
            split: [torch.from_numpy(corpus.features[name])[held] for name in ("video", "audio")]
            for split, held in rows.items()
        }
        truth = {split: numbers[held] for split, held in rows.items()}
        experts = [train([values], truth["train"], EPOCHS, seed)[0] for values in views["train"]]
        joint = train(views["train"], truth["train"], 2 * EPOCHS, seed)
        heard = (views["train"][1], truth["train"])
        own, shared = (probe(model[0], heard, views["test"][1]) for model in (experts[1], joint[1]))
        lags.append(((own == truth["test"]).double() - (shared == truth["test"]).double()).numpy())
        with torch.no_grad():
            alone = {
                split: [model(values) for model, values in zip(experts, views[split], strict=True)] for split in views
            }
            weight = max(
                np.linspace(0, 1, 21),
                key=lambda w, told=alone["val"], true=truth["val"]: int((answer(told, w) == true).sum()),
            )
            together = logits(joint, views["test"]).argmax(dim=1)
        ahead = (answer(alone["test"], weight) == truth["test"]).double() - (together == truth["test"]).double()
        gains.append(ahead.numpy())
    for what, found in (("the weak encoder lags", lags), ("an ensemble is ahead of the joint model", gains)):
        each = np.concatenate(found)
        z = each.mean() / (each.std() / np.sqrt(len(each)))
        assert z > 3, f"{what} by {100 * each.mean():.1f} points, z = {z:.1f}"
        assert each.mean() > 0.03, f"{what} by {100 * each.mean():.1f} points"
    assert np.mean(lags) > 0.1

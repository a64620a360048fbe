"""The loss of a classifier: closed forms, references, and two processes that equal one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from classifier_cases import CLASSES, ENCODERS, PLAIN, ROWS, classifier, make_batch
from processes import run_processes
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from trichord.adapters.settings import LowRankConfig
from trichord.batch import Batch, Features
from trichord.classification.build import build_classifier
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.model import FusionClassifier, FusionClassifierConfig
from trichord.classification.system import ClassifierSystem
from trichord.curricula import set_trainable
from trichord.dist import world_size
from trichord.encoders import Encoder
from trichord.errors import ConfigError
from trichord.training.engine import Engine
from trichord.training.optimization import build_optimizer

TRUTH = torch.arange(ROWS) % len(CLASSES)
SETS = torch.stack([(torch.arange(ROWS) + k) % 3 != 0 for k in range(len(CLASSES))], dim=1)


def make_system(config: ClassifierExperimentConfig, truth: torch.Tensor = TRUTH) -> ClassifierSystem:
    torch.manual_seed(0)
    model: FusionClassifier = config.model.build()
    set_trainable(model.encoders, config.train)
    torch.manual_seed(1)
    teachers = {name: config.model.encoders[name].build().eval().requires_grad_(False) for name in config.teachers}
    system = ClassifierSystem(model, config, truth, teachers)
    system.set_mode()
    return system


def plain(kind: str = "joint", **changes: Any) -> ClassifierExperimentConfig:
    return classifier(kind, **({"model__encoders": PLAIN, "model__dropout": 0.0} | changes))


def linear_logits(model: FusionClassifier, batch: Batch) -> torch.Tensor:
    """Independently: sum over the modalities of W (V x + c) + b, row by row."""
    logits = torch.zeros(len(batch), len(CLASSES))
    for name, features in batch.features.items():
        encoder, head = model.encoder(name), model.heads[name]
        for values, row in zip(features.values, features.rows.tolist(), strict=True):
            logits[row] += head.weight @ (encoder.linear.weight @ values + encoder.linear.bias) + head.bias
    return logits


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_over_the_rows_that_hold_something(smoothing: float) -> None:
    system = make_system(plain(learning__label_smoothing=smoothing))
    batch = make_batch()
    held = [row for row in range(ROWS) if row != 2]  # row 2 holds neither
    shares = linear_logits(system.model, batch)[held].log_softmax(dim=1)
    target = functional.one_hot(TRUTH[held], len(CLASSES)) * (1 - smoothing) + smoothing / len(CLASSES)
    terms = system(batch)
    assert set(terms.terms) == {"classes"}
    torch.testing.assert_close(terms.total, -(target * shares).sum(dim=1).mean())


def test_binary_cross_entropy_of_several_labels() -> None:
    system = make_system(plain(several=True, learning__label_smoothing=0.0), SETS)
    batch = make_batch()
    chances = torch.sigmoid(linear_logits(system.model, batch))
    wanted = SETS.float()
    losses = -(wanted * chances.log() + (1 - wanted) * (1 - chances).log())
    expected = sum(losses[row].sum() for row in range(ROWS) if row != 2) / ((ROWS - 1) * len(CLASSES))
    torch.testing.assert_close(system(batch).total, expected)


def test_a_batch_in_which_nobody_holds_anything_is_zero_and_attached() -> None:
    config = plain("teacher", teachers={"video": "v", "audio": "a"}, learning__distillation=2.0)
    system = make_system(config)
    terms = system(Batch(torch.arange(3), {}))
    assert {name: value.item() for name, value in terms.terms.items()} == {
        "classes": 0.0,
        "teacher of video": 0.0,
        "teacher of audio": 0.0,
    }
    terms.total.backward()
    assert all(p.grad is not None and not bool(p.grad.any()) for p in system.model.parameters())


def test_the_distance_to_teachers_by_hand() -> None:
    config = plain("teacher", teachers={"video": "v", "audio": "a"}, learning__distillation=2.5)
    system = make_system(config)
    teachers: dict[str, Encoder] = system._teachers
    batch = make_batch()
    terms = system(batch).terms
    for name, features in batch.features.items():
        own, theirs = system.model.encoder(name).linear, teachers[name].linear
        far = [((own(x) - theirs(x)) ** 2).sum() / own.out_features for x in features.values]
        torch.testing.assert_close(terms[f"teacher of {name}"], 2.5 * sum(far) / len(far))
    assert not any("teacher" in name for name in system.state_dict())
    sum(terms.values()).backward()
    assert all(p.grad is None for teacher in teachers.values() for p in teacher.parameters())


def test_one_step_by_hand() -> None:
    """One modality, one row, no bias in play: W moves by the rate, times the sign of its gradient (Adam's first step),
    after the decay; the head `head_ratio` times as far.
    """
    config = plain(names=("video",), learning__head_ratio=3.0, learning__label_smoothing=0.0)
    system = make_system(config)
    optimizer_settings = replace(config.learning.optimizer, learning_rate=0.01, weight_decay=0.5)
    heads = {n: 3.0 for n, _ in system.named_parameters() if n.startswith("model.heads.")}
    optimizer = build_optimizer(system, optimizer_settings, heads)
    before = {name: p.detach().clone() for name, p in system.named_parameters()}
    x = torch.tensor([[1.0, -2.0, 0.5, 0.0, 1.0, 3.0]])
    system(Batch(torch.tensor([1]), {"video": Features(x, torch.tensor([0]))})).total.backward()
    head, encoder = before["model.heads.video.weight"], before["model.encoders.video.linear.weight"]
    vector = encoder @ x[0] + before["model.encoders.video.linear.bias"]
    error = (head @ vector + before["model.heads.video.bias"]).softmax(dim=0) - functional.one_hot(TRUTH[1], 3)
    gradients = {
        "model.heads.video.weight": torch.outer(error, vector),
        "model.heads.video.bias": error,
        "model.encoders.video.linear.weight": torch.outer(head.T @ error, x[0]),
        "model.encoders.video.linear.bias": head.T @ error,
    }
    optimizer.step()
    for name, parameter in system.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6)
        rate = 0.03 if "heads" in name else 0.01
        decayed = before[name] * (1 - rate * 0.5) if parameter.ndim > 1 else before[name]
        moved = gradients[name] / (gradients[name].abs() + 1e-8)
        torch.testing.assert_close(parameter.detach(), decayed - rate * moved, rtol=1e-4, atol=1e-6)


def test_what_is_frozen_drops_nothing_and_what_learns_does() -> None:
    config = classifier("joint", train=("video",), model__dropout=0.0)
    system = make_system(config)
    assert system.training
    assert {name: encoder.training for name, encoder in system.model.encoders.items()} == {
        "video": True,
        "audio": False,
    }
    built = build_classifier(classifier("joint", train=(), low_rank={"audio": LowRankConfig(rank=2)}), None, {})
    system = ClassifierSystem(built.model, classifier("joint", train=()), TRUTH)
    system.set_mode()
    assert {name: encoder.training for name, encoder in system.model.encoders.items()} == {
        "video": False,
        "audio": True,
    }


def test_a_missing_modality_adds_nothing() -> None:
    for fusion in ("sum of logits", "concatenation"):
        model: FusionClassifier = plain(model__fusion=fusion).model.build()
        model.eval()
        batch = make_batch()
        found = model(batch.features, len(batch))
        alone = model({"video": batch.features["video"]}, len(batch))
        only = model(batch.features, len(batch), only=["video"])
        assert torch.equal(alone.logits, only.logits)
        if fusion == "sum of logits":
            own = model.heads["video"](model.encoder("video")(batch.features["video"]).embedding)
            assert bool(model.heads["audio"].bias.any())
            torch.testing.assert_close(alone.logits[batch.features["video"].rows], own)
        assert torch.equal(found.logits[[0, 1, 3]], alone.logits[[0, 1, 3]]), "these rows lack audio"
        assert not bool(found.logits[2].any())
        assert found.held.tolist() == [row != 2 for row in range(ROWS)]


def test_vectors_in_place_of_features() -> None:
    model: FusionClassifier = plain().model.build()
    batch = make_batch()
    video = batch.features["video"]
    vectors = Features(model.encoder("video")(video).embedding.detach(), video.rows)
    with model.given(["video"]):
        given = model({**batch.features, "video": vectors}, len(batch))
        none = model({}, 2)
    assert torch.equal(given.logits, model(batch.features, len(batch)).logits)
    assert none.vectors["video"].shape == (2, 5)


def learn(rows_of_ranks: list[list[int]]) -> dict[str, Any]:
    """Take one backward pass of each loss; return terms and gradients."""
    parallel = world_size() > 1
    first, last = rows_of_ranks[torch.distributed.get_rank() if parallel else 0]
    found = {}
    single = classifier(
        "teacher",
        teachers={"video": "v", "audio": "a"},
        learning__distillation=0.7,
        model__dropout=0.0,
        model__encoders={name: replace(encoder, dropout=0.0) for name, encoder in ENCODERS.items()},
    )
    several = replace(plain(several=True, learning__label_smoothing=0.0, train=("audio",)))
    for name, config, truth in (("single", single, TRUTH), ("several", several, SETS)):
        system = make_system(config, truth)
        module = (
            DistributedDataParallel(system, find_unused_parameters=True, broadcast_buffers=False)
            if parallel
            else system
        )
        terms = module(make_batch(slice(first, last)))
        terms.total.backward()
        found[name] = {
            "terms": {term: value.item() for term, value in terms.terms.items()},
            "gradients": {n: p.grad.clone() for n, p in system.named_parameters() if p.grad is not None},
        }
    return found


def test_two_processes_equal_one(tmp_path: Path) -> None:
    one = learn([[0, ROWS]])
    assert set(one["single"]["terms"]) == {"classes", "teacher of video", "teacher of audio"}
    # The first process has no row that holds audio, and one that holds nothing.
    for two in run_processes(learn, 2, tmp_path, [[0, 4], [4, ROWS]]):
        for name, alone in one.items():
            assert two[name]["terms"] == pytest.approx(alone["terms"], rel=1e-5)
            assert set(two[name]["gradients"]) == set(alone["gradients"])
            for key, gradient in alone["gradients"].items():
                torch.testing.assert_close(two[name]["gradients"][key], gradient, rtol=1e-4, atol=1e-6)
    half = learn([[0, 4]])["single"]["terms"]["classes"]
    assert half != pytest.approx(one["single"]["terms"]["classes"], rel=1e-2), "the check would notice"


def test_the_engine_takes_the_same_gradients_as_torch() -> None:
    system, other = make_system(plain()), make_system(plain())
    Engine("float32", "cpu").backward(system(make_batch()).total)
    other(make_batch()).total.backward()
    for one, two in zip(system.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"encoders": {}}, "one encoder or more"),
        ({"encoders": {"keys": PLAIN["video"]}}, "'keys' cannot name a modality"),
        ({"classes": ("glad",)}, "two or more classes"),
        ({"classes": ("glad", "glad")}, "each named once"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_settings_that_make_no_classifier(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        FusionClassifierConfig(**({"encoders": PLAIN, "classes": CLASSES} | changes))


@pytest.mark.parametrize(
    ("kind", "changes", "match"),
    [
        ("expert", {}, "an expert knows one modality"),
        ("mmlora", {"train": ()}, "MMLoRA starts from an expert of every modality"),
        ("teacher", {}, "every encoder has a teacher"),
        ("joint", {"low_rank": {"video": LowRankConfig()}}, "not both"),
        ("joint", {"train": ("video", "text")}, "for which the classifier has no encoder"),
        ("joint", {"learning__distillation": 1.0}, "come together"),
        ("joint", {"several": True}, "label_smoothing is for single labels"),
        ("joint", {"report_split": "val"}, "a split serves one of these"),
        ("joint", {"learning__epochs": 0}, "epochs must be at least 1"),
        ("joint", {"learning__head_ratio": 0.0}, "head_ratio is above 0"),
    ],
)
def test_experiments_that_cannot_be(kind: str, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        classifier(kind, **changes)

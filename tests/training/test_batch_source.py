"""Batches of a stage: item by item, and source by source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import run_processes
from torch.nn.parallel import DistributedDataParallel

from trichord.batch import Batch
from trichord.data import Dataset, ModalityArrays, collate, epoch_batches, write_dataset
from trichord.dist import world_size
from trichord.encoders import JointEncoderConfig, LinearHeadConfig
from trichord.errors import ConfigError, DataError
from trichord.objectives import (
    InfoNCEConfig,
    MaskedMarginSoftmaxConfig,
    ObjectiveConfig,
    PairObjectiveConfig,
    PairwiseConfig,
    SigmoidContrastConfig,
    WeightedPairConfig,
)
from trichord.randomness import derive_seed
from trichord.training.source import BatchSource
from trichord.training.stage import StageConfig
from trichord.training.system import System

CLIPS = [6, 1, 4, 2, 5, 3, 6, 6]
NAMES = ("video", "text")
OBJECTIVES: dict[str, PairObjectiveConfig] = {
    "mms": MaskedMarginSoftmaxConfig(),
    "infonce": InfoNCEConfig(label_smoothing=0.1),
    "sigmoid": SigmoidContrastConfig(),
}


def write_clips(path: Path, *, named: bool = True) -> Dataset:
    """Clips of 8 videos, each overlapping its neighbours by half; item 2 lacks video, item 3 lacks everything."""
    draws = np.random.default_rng(0)
    number, video = sum(CLIPS), np.repeat(np.arange(len(CLIPS)), CLIPS)
    start = 5.0 * (np.arange(number) - np.repeat(np.cumsum(CLIPS) - CLIPS, CLIPS))
    named_columns = {"source": [f"v{n}" for n in video], "start": start, "end": start + 10} if named else {}
    usable = np.flatnonzero(np.arange(number) != 3)
    held = usable[usable != 2]
    return write_dataset(
        path,
        name="clips",
        items={"id": [f"c{n}" for n in range(number)], "split": ["train"] * number, **named_columns},
        modalities={
            "video": ModalityArrays(draws.normal(size=(len(held), 6)).astype(np.float32), held),
            "text": ModalityArrays(draws.normal(size=(len(usable), 5)).astype(np.float32), usable),
        },
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_clips(tmp_path_factory.mktemp("clips") / "data")


def make_source(dataset: Dataset, batch_size: int = 12, items_per_source: int | None = 4) -> BatchSource:
    return BatchSource(dataset, dataset.split("train"), NAMES, batch_size, 5, 0, items_per_source)


def test_by_default_an_epoch_is_that_of_epoch_batches(dataset: Dataset) -> None:
    source = make_source(dataset, 10, None)
    usable = dataset.split("train")[np.arange(sum(CLIPS)) != 3]
    expected = epoch_batches(usable, 10, derive_seed(5, "stage", 0), 3)
    found = [batch.items.numpy() for _, batch in source.steps(3)]
    assert len(found) == source.num_steps == 4
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_by_source_an_epoch_visits_every_video_once(dataset: Dataset) -> None:
    source, video = make_source(dataset), np.repeat(np.arange(len(CLIPS)), CLIPS)
    for epoch in range(3):
        batches = [batch.items.numpy() for _, batch in source.steps(epoch)]
        assert len(batches) == source.num_steps == 3
        visited = [len(np.unique(video[items])) for items in batches]
        assert sorted(visited) == [2, 3, 3]
        counts = np.bincount(video[np.concatenate(batches)], minlength=len(CLIPS))
        assert counts.tolist() == [min(4, clips) for clips in CLIPS]
        assert len(np.unique(np.concatenate(batches))) == counts.sum()
    assert source.batch_size == round(sum(min(4, clips) for clips in CLIPS) / 3)


def test_an_epoch_is_taken_up_at_any_step(dataset: Dataset) -> None:
    whole = {step: batch.items.tolist() for step, batch in make_source(dataset).steps(1)}
    assert list(whole) == [0, 1, 2]
    for first in range(4):
        rest = {step: batch.items.tolist() for step, batch in make_source(dataset).steps(1, first)}
        assert rest == {step: items for step, items in whole.items() if step >= first}


def test_items_that_hold_nothing_of_the_stage_are_not_drawn(dataset: Dataset) -> None:
    source = make_source(dataset, 40, 40)
    drawn = [batch for _, batch in source.steps(0)]
    assert source.num_unusable == 1
    assert sorted(np.concatenate([batch.items for batch in drawn]).tolist()) == [n for n in range(33) if n != 3]
    assert sum(len(batch.features["video"].rows) for batch in drawn) == 31, "item 2 takes part with its text"


def test_without_sources_there_is_nothing_to_draw_by(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "data", named=False)
    with pytest.raises(DataError, match="no item to learn from names its source"):
        make_source(dataset)
    assert make_source(dataset, items_per_source=None).num_steps == 3


@pytest.mark.parametrize("wrong", [0, -1, 3, 1024])
def test_items_per_source_must_divide_the_batch_size(wrong: int) -> None:
    pair = WeightedPairConfig(left=("text",), right=("video",))
    part = PairwiseConfig(objective=InfoNCEConfig(), pairs=(pair,))
    config = StageConfig(modalities=NAMES, train=NAMES, objective=ObjectiveConfig(parts={"contrast": part}))
    assert config.items_per_source is None
    assert replace(config, items_per_source=config.batch_size).items_per_source == 512
    with pytest.raises(ConfigError, match=r"items_per_source must be at least 1 and divide batch_size \(512\)"):
        replace(config, items_per_source=wrong)


def make_system(objective: PairObjectiveConfig, mask: bool) -> System:
    torch.manual_seed(0)
    model = JointEncoderConfig(
        encoders={
            "video": LinearHeadConfig(input_dim=6, output_dim=4),
            "text": LinearHeadConfig(input_dim=5, output_dim=4),
        }
    )
    pair = WeightedPairConfig(left=("text",), right=("video",))
    part = PairwiseConfig(objective=objective, pairs=(pair,), mask_overlaps=mask)
    return System(model.build(), ObjectiveConfig(parts={"contrast": part}).build(), NAMES)


def learn(folder: str, case: str, mask: bool) -> dict[str, object]:
    """Take the first step of an epoch drawn by source; return loss, gradients and the items of this process."""
    dataset = Dataset.open(folder)
    source = make_source(dataset, 24, 6)
    _, batch = next(source.steps(0))
    system = make_system(OBJECTIVES[case], mask)
    module = DistributedDataParallel(system) if world_size() > 1 else system
    loss = module(batch).total
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in system.named_parameters()}
    return {"loss": loss.item(), "gradients": gradients, "items": batch.items}


@pytest.mark.parametrize("case", OBJECTIVES)
def test_the_mask_changes_the_loss_of_overlapping_clips(dataset: Dataset, case: str) -> None:
    masked, whole = (learn(str(dataset.path), case, mask) for mask in (True, False))
    assert masked["loss"] < whole["loss"]


def learn_each(folder: str) -> list[dict[str, object]]:
    return [learn(folder, case, True) for case in OBJECTIVES]


def test_two_processes_equal_one_with_overlaps_masked(dataset: Dataset, tmp_path: Path) -> None:
    one = learn_each(str(dataset.path))
    ranks = run_processes(learn_each, 2, tmp_path, str(dataset.path))
    for number, alone in enumerate(one):
        shares = [results[number] for results in ranks]
        assert torch.equal(torch.cat([share["items"] for share in shares]), alone["items"])
        # Some source has clips on both processes, or the gather would not be tested.
        video = np.repeat(np.arange(len(CLIPS)), CLIPS)
        assert set(video[shares[0]["items"]]) & set(video[shares[1]["items"]])
        for share in shares:
            assert share["loss"] == pytest.approx(alone["loss"], rel=1e-5)
            for name, gradient in alone["gradients"].items():
                torch.testing.assert_close(share["gradients"][name], gradient, rtol=1e-4, atol=1e-6)


def test_a_batch_without_segments_passes_where_nothing_is_masked(dataset: Dataset) -> None:
    batch = collate(dataset, np.arange(10), NAMES)
    plain = Batch(batch.items, batch.features)
    system = make_system(InfoNCEConfig(), mask=False)
    assert torch.equal(system(plain).total, system(batch).total)
    with pytest.raises(ConfigError, match="mask_overlaps"):
        make_system(InfoNCEConfig(), mask=True)(plain)

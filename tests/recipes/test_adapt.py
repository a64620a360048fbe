"""What the experiments of adapters ask for: after a base, together with one, and the specialists beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from published_reference import random_state
from safetensors.torch import load_file

from trichord.adapters.identity import load_identity
from trichord.adapters.saved import WEIGHTS_FILE
from trichord.adapters.settings import LowRankConfig
from trichord.config import from_dict, replaced
from trichord.data import Dataset, DatasetSpec, ModalityArrays, ModalitySpec, write_dataset
from trichord.data.specification import WordsSource
from trichord.encoders import JointEncoder, WordPoolConfig
from trichord.errors import ConfigError
from trichord.evaluation import evaluate
from trichord.files import hash_tensors, read_json
from trichord.modality import STANDARD, TEXT, Modality, Pair, parse_pair, parse_task
from trichord.objectives import MaskedMarginSoftmaxConfig, ObjectiveConfig, PairwiseConfig, SigmoidContrastConfig
from trichord.recipes import mcn_fixed_small, planted
from trichord.recipes.adapt import Adaptation, adapt, specialise, together
from trichord.recipes.published import load_published
from trichord.runs import ExperimentConfig, Model, RunOptions, run_experiment

SPLITS = {"train": 1, "val": 1, "test": 1}
POOLED = DatasetSpec("pooled", tuple(ModalitySpec(m, "pooled", 8, 1) for m in STANDARD), 3, SPLITS)
NARRATED = replace(POOLED, modalities=tuple(replace(entry, cut=True) for entry in POOLED.modalities))
VT, AT, T_VA = (parse_pair(spelling, STANDARD) for spelling in ("VT", "AT", "T-VA"))


def model_of(config: ExperimentConfig) -> Model:
    torch.manual_seed(0)
    encoder: JointEncoder = config.model.build()
    return Model(config, encoder, hash_tensors(encoder.state_dict()))


@pytest.fixture(scope="module")
def base() -> Model:
    return model_of(mcn_fixed_small(POOLED, "AV_T", 0))


def contrast_of(objective: ObjectiveConfig | None) -> PairwiseConfig:
    assert objective is not None
    part = objective.parts["contrast"]
    assert isinstance(part, PairwiseConfig)
    return part


def test_an_adapter_goes_on_as_the_last_stage_of_its_base(base: Model) -> None:
    config, last = adapt(base, POOLED, T_VA, 5), base.config.stages[-1]
    (stage,) = config.stages
    assert from_dict(config.to_dict()) == config
    assert (config.recipe, config.order, config.seed, config.initial) == ("adapt", "T-VA", 5, base.identity)
    assert (stage.train, stage.objective, tuple(stage.adapters)) == ((), None, ("T-VA",))
    assert (stage.epochs, stage.batch_size, stage.optimizer) == (last.epochs, last.batch_size, last.optimizer)
    assert config.adapters["T-VA"].sides == ("video", "audio", "text")
    assert config.tasks == config.selection.tasks == ("T>VA", "VA>T")
    part = contrast_of(stage.adapters["T-VA"])
    assert part.objective == contrast_of(last.objective).objective
    assert part.normalize_joined == base.config.model.normalize
    assert not config.trains_base


def test_what_is_said_is_what_is_taken(base: Model) -> None:
    settings = Adaptation(LowRankConfig(rank=3), SigmoidContrastConfig(), sides=("text",), learning_rate=0.5, epochs=7)
    (stage,) = adapt(base, POOLED, VT, settings=settings).stages
    assert (stage.optimizer.learning_rate, stage.epochs) == (0.5, 7)
    assert contrast_of(stage.adapters["VT"]).objective == SigmoidContrastConfig()
    adapter = adapt(base, POOLED, VT, settings=settings).adapters["VT"]
    assert (adapter.sides, adapter.low_rank.rank) == (("text",), 3)
    for wrong, message in (
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"epochs": 0}, "epochs must be"),
    ):
        with pytest.raises(ConfigError, match=message):
            adapt(base, POOLED, VT, settings=replace(settings, **wrong))
    with pytest.raises(ConfigError, match=r"changes some of \['video', 'text'\]"):
        adapt(base, POOLED, VT, settings=Adaptation(sides=("audio",)))


def test_a_name_stands_in_the_order_of_the_data(base: Model) -> None:
    assert [adapt(base, POOLED, parse_pair(spelling, STANDARD)).order for spelling in ("TV", "V-T", "VA-T")] == [
        "VT",
        "VT",
        "T-VA",
    ]


def test_a_pair_that_data_or_base_lack(base: Model) -> None:
    depth = Modality("depth", "D")
    wider = replace(POOLED, modalities=(*POOLED.modalities, ModalitySpec(depth, "pooled", 8, 1)))
    with pytest.raises(ConfigError, match="the pair needs 'depth', which the base lacks"):
        adapt(base, wider, parse_pair("VD", (*STANDARD, depth)))
    narrow = replace(POOLED, modalities=POOLED.modalities[:2])
    with pytest.raises(ConfigError, match="the pair needs 'text', which the data pooled lacks"):
        adapt(base, narrow, VT)


def test_overlaps_and_sources_are_taken_over_where_the_data_know_them() -> None:
    base = model_of(mcn_fixed_small(NARRATED, "AVT", 0))
    last = base.config.stages[-1]
    assert last.items_per_source is not None
    (stage,) = adapt(base, NARRATED, VT).stages
    assert stage.items_per_source == last.items_per_source
    assert contrast_of(stage.adapters["VT"]).mask_overlaps
    (stage,) = adapt(base, POOLED, VT).stages
    assert stage.items_per_source is None
    assert not contrast_of(stage.adapters["VT"]).mask_overlaps
    moved = together(base.config, [VT]).stages[-1]
    assert contrast_of(moved.adapters["VT"]).mask_overlaps
    assert contrast_of(moved.objective).mask_overlaps


def test_pairs_learnt_together_are_taken_out_of_the_base_as_they_are() -> None:
    config = mcn_fixed_small(POOLED, "AVT", 0)
    (before,) = config.stages
    whole = contrast_of(before.objective)
    heavier = replace(whole, weight=3.0, pairs=tuple(replace(pair, weight=0.5) for pair in whole.pairs))
    assert before.objective is not None
    objective = ObjectiveConfig(parts={**before.objective.parts, "contrast": heavier})
    found = together(replace(config, stages=(replace(before, objective=objective),)), [VT, AT], LowRankConfig(rank=2))
    (stage,) = found.stages
    assert [pair.name for pair in contrast_of(stage.objective).pairs] == ["video-audio"]
    assert stage.objective is not None
    assert set(stage.objective.parts) == set(before.objective.parts)
    for name in ("VT", "AT"):
        part = contrast_of(stage.adapters[name])
        assert (part.weight, part.pairs[0].weight, part.objective) == (3.0, 0.5, whole.objective)
    assert {pair.name for part in stage.adapters.values() for pair in contrast_of(part).pairs} == {
        "video-text",
        "audio-text",
    }
    assert stage.train == before.train
    assert found.trains_base


def test_a_joined_pair_keeps_its_weight_whatever_the_order_of_its_sides() -> None:
    from trichord.recipes.heads import heads

    config = heads(POOLED, "AVT", 0)
    joined = [pair for pair in contrast_of(config.stages[-1].objective).pairs if len(pair.right) == 2]
    if not joined:
        part = contrast_of(config.stages[-1].objective)
        extra = replace(part.pairs[0], left=("text",), right=("video", "audio"), weight=0.25)
        stage = replace(
            config.stages[-1],
            objective=ObjectiveConfig(parts={"contrast": replace(part, pairs=(*part.pairs, extra))}),
        )
        config, joined = replace(config, stages=(*config.stages[:-1], stage)), [extra]
    found = together(config, [Pair(("audio", "video"), ("text",))])
    assert contrast_of(found.stages[-1].adapters["T-VA"]).pairs == tuple(joined)


def test_a_base_may_keep_no_objective_of_its_own() -> None:
    pairs = [parse_pair(spelling, STANDARD) for spelling in ("VT", "AT", "VA")]
    (stage,) = together(planted(POOLED, "AVT", 0), pairs).stages
    assert stage.objective is None
    assert set(stage.adapters) == {"VT", "AT", "VA"}


def test_pairs_that_cannot_be_learnt_together() -> None:
    with pytest.raises(ConfigError, match="the last stage does not pull the pair VA together"):
        together(planted(POOLED, "VA_T", 0), [parse_pair("VA", STANDARD)])
    with pytest.raises(ConfigError, match="the pair VT is named twice"):
        together(planted(POOLED, "AVT", 0), [VT, parse_pair("TV", STANDARD)])
    with pytest.raises(ConfigError, match="at least one pair"):
        together(planted(POOLED, "AVT", 0), [])
    with pytest.raises(ConfigError, match="no adapters yet"):
        together(together(planted(POOLED, "AVT", 0), [VT]), [AT])


def test_a_specialist_differs_from_its_adapter_in_what_learns_alone(base: Model) -> None:
    settings = Adaptation(learning_rate=0.1, epochs=2)
    whole, adapter = specialise(base, POOLED, VT, 3, settings), adapt(base, POOLED, VT, 3, settings)
    assert whole.trains_base
    assert (whole.adapters, whole.stages[0].train) == ({}, ("video", "text"))
    assert whole.stages[0].objective == adapter.stages[0].adapters["VT"]
    assert replace(whole.stages[0], train=(), objective=None, adapters=adapter.stages[0].adapters) == adapter.stages[0]
    assert replace(whole, recipe="adapt", adapters=adapter.adapters, stages=adapter.stages) == adapter


def test_words_of_another_file_are_refused_and_a_base_that_names_none_takes_those_of_the_data() -> None:
    def spec(fingerprint: str) -> DatasetSpec:
        words = ModalitySpec(
            TEXT, "words", 6, 1, num_words=20, words=WordsSource(f"{fingerprint}.bin", fingerprint, "spaces")
        )
        return replace(POOLED, modalities=(*POOLED.modalities[:2], words))

    known = model_of(mcn_fixed_small(spec("a"), "AVT", 0))
    with pytest.raises(ConfigError, match=r"other word vectors \(b\.bin\) than the model"):
        adapt(known, spec("b"), VT)
    sequences = replace(POOLED, modalities=(*POOLED.modalities[:2], ModalitySpec(TEXT, "sequence", 6, 1)))
    silent = model_of(mcn_fixed_small(sequences, "AVT", 0))
    text = adapt(silent, spec("b"), VT).model.encoders["text"]
    assert isinstance(text, WordPoolConfig)
    assert (text.num_words, text.word_vectors) == (20, "b")


def write_clips(path: Path) -> Dataset:
    """Pooled video, log-mel audio and word vectors in the sizes of the small published network."""
    draws, splits = np.random.default_rng(0), ["train"] * 12 + ["val"] * 6 + ["test"] * 8
    signal = draws.normal(size=(len(splits), 7))

    def sequences(width: int, low: int, high: int) -> ModalityArrays:
        lengths = draws.integers(low, high, len(splits))
        values = np.repeat(signal @ draws.normal(size=(7, width)), lengths, axis=0)
        noisy = values + draws.normal(size=values.shape)
        return ModalityArrays(noisy.astype(np.float32), None, np.concatenate([[0], np.cumsum(lengths)]))

    modalities = {
        "video": ModalityArrays((signal @ draws.normal(size=(7, 10))).astype(np.float32)),
        "audio": sequences(40, 8, 30),
        "text": sequences(7, 1, 6),
    }
    items = {"id": [f"clip{n}" for n in range(len(splits))], "split": splits}
    return write_dataset(path, name="clips", items=items, modalities=modalities)


def test_a_published_checkpoint_can_be_adapted_its_convolutions_too(tmp_path: Path) -> None:
    torch.save(random_state(), tmp_path / "e1.pth")
    base = load_published(tmp_path / "e1.pth", evaluation_frames=64, device="cpu")
    dataset = write_clips(tmp_path / "data")
    low_rank = LowRankConfig(rank=2, dropout=0.1, targets="linear and convolution")
    config = adapt(base, dataset.spec, AT, settings=Adaptation(low_rank, learning_rate=0.01, epochs=1))
    (stage,) = config.stages
    assert isinstance(contrast_of(stage.adapters["AT"]).objective, MaskedMarginSoftmaxConfig)
    changes = {"optimizer.warmup_steps": 0, "batch_size": 6}
    config = replaced(
        config,
        {f"stages.0.{name}": value for name, value in changes.items()} | {"evaluation.scoring.num_resamples": 20},
    )
    run = run_experiment(config, dataset, tmp_path / "AT", options=RunOptions(progress=False), initial=base)
    assert load_identity(run.path).base == base.identity == base.bank.base_hash()
    matrices_b = {k: v for k, v in load_file(run.path / WEIGHTS_FILE).items() if ".lora_B." in k}
    convolutions = [tensor for tensor in matrices_b.values() if tensor.ndim == 4]
    assert len(convolutions) > 10
    assert all(bool(tensor.any()) for tensor in matrices_b.values()), "every one of them learns"
    base.load_adapter(run.path)
    with base.bank.using("AT") as encoder:
        tasks = [parse_task(spelling, config.modalities) for spelling in config.tasks]
        found = evaluate(encoder, dataset, "test", tasks, config.evaluation.scoring)
    saved = {path.name: read_json(path) for path in run.results_folder("test").glob("*.json")}
    assert {f"{task.replace('>', '_to_')}.json": result.to_dict() for task, result in found.items()} == saved
    assert found["A>T"].protocol.similarity == "dot product"

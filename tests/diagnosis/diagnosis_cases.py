"""Facts of a healthy run to spoil one at a time, and small data sets and runs to plant mistakes in."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from trichord.config import replaced
from trichord.data import Dataset
from trichord.data.captioning import Wording
from trichord.data.packing import PackedItem, Packer, Record
from trichord.data.planted import PlantedConfig, plant, write_planted
from trichord.data.specification import Header, ModalityHeader
from trichord.data.tokens import EnglishConfig
from trichord.data.word2vec import write_word2vec
from trichord.diagnosis.facts import EncoderFacts, Facts, FeatureFacts, ModalityFacts, StageFacts, WeightFacts
from trichord.diagnosis.features import describe_features
from trichord.diagnosis.score_facts import ScoreFacts
from trichord.modality import TEXT, VIDEO
from trichord.objectives import ObjectiveConfig
from trichord.recipes import mcn_fixed_small, planted
from trichord.runs import ExperimentConfig, RunDirectory, RunOptions, run_experiment

PLANTED = PlantedConfig(num_items={"train": 400, "val": 100, "test": 100}, dim={"video": 48, "audio": 36, "text": 48})
CURVE = tuple(0.4 - 0.35 * float(np.exp(-t / 4)) for t in range(1, 31))

STAGE = StageFacts(
    name="VT",
    train=("video", "text"),
    epochs=30,
    epochs_done=30,
    stopped_early=False,
    steps_per_epoch=4,
    learning_rate=5e-3,
    warmup_steps=20,
    usual_epochs=None,
    usual_learning_rate=None,
    losses=tuple(2 + 7 * float(np.exp(-t / 30)) for t in range(120)),
    gradient_norms=(10.0,) * 60 + (3.0,) * 60,
    loss_epochs=tuple(1 + t // 4 for t in range(120)),
    validates=True,
    validation_epochs=tuple(range(1, 31)),
    validation=CURVE,
    validation_metric="MRR",
    validation_chance=0.05,
    kept_epoch=30,
    keep="best",
)
ENCODER = EncoderFacts(
    modality="video",
    stages=("VT",),
    start_rms=0.07,
    end_rms=0.08,
    moved_rms=0.06,
    least_path=0.03,
    like_fresh=False,
    as_drawn=False,
    as_recorded=True,
)
SCORE = ScoreFacts("T>V", "R@10", 66.0, 56.0, 75.0, 10.0, 100, "", 0.35, 0.05)
BAD_SCORE = replace(SCORE, value=9.0, low=4.0, high=15.0, deciding=0.05)


def features(values: np.ndarray, where: str = "data, train", *, unit: bool = False) -> FeatureFacts:
    blocks = (("whole vector", values.shape[1]),)
    found = describe_features(values.astype(np.float32), where, len(values), blocks, unit=unit)
    assert found is not None
    return found


def gaussian(seed: int, rows: int = 256, dim: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim))


def modality(evaluated: np.ndarray, trained: np.ndarray | None = None, **changes: object) -> ModalityFacts:
    first = features(gaussian(0) if trained is None else trained)
    made = ModalityFacts("video", "pooled", False, True, first, features(evaluated, "data, test"))
    return replace(made, **changes)


def healthy(**changes: object) -> Facts:
    facts = Facts(
        run="run",
        state="finished",
        error=None,
        recipe="planted",
        order="VT",
        recorded_data="data",
        given_data="data",
        measured_data="data",
        stages=(STAGE,),
        weights=WeightFacts(True, True, (ENCODER, replace(ENCODER, modality="text"))),
        modalities=(modality(gaussian(1)),),
        words=(),
        measured="data, split test",
        scores=(SCORE, replace(SCORE, task="V>T")),
        measuring_failed="",
        against=None,
    )
    return replace(facts, **changes)


def train(recipe: ExperimentConfig, dataset: Dataset, out: Path, **changes: object) -> RunDirectory:
    short = {"evaluation.scoring.num_resamples": 100}
    named = {path.replace("__", "."): value for path, value in changes.items()}
    config = replaced(recipe, short | named)
    return run_experiment(config, dataset, out, recipe=recipe, options=RunOptions(progress=False))


def planted_data(folder: Path) -> Dataset:
    return write_planted(folder, PLANTED)


def planted_recipe(dataset: Dataset, seed: int = 0) -> ExperimentConfig:
    made: ExperimentConfig = replaced(planted(dataset.spec, "VT", seed), {"stages.0.evaluate_every": 3})
    return made


def scaled_copy(dataset: Dataset, folder: Path, modality: str, factor: float) -> Dataset:
    """Copy a data set with one modality's features multiplied, everything else as it was."""
    shutil.copytree(dataset.path, folder)
    np.save(folder / f"{modality}.npy", np.load(folder / f"{modality}.npy") * np.float32(factor))
    return Dataset.open(folder)


def worded_data(folder: Path, share: float) -> Dataset:
    """Pack planted video and captions as words, of which about a share has a vector."""
    corpus = plant(replace(PLANTED, num_items={"train": 240, "val": 60, "test": 100}))
    captions = [listed[:1] for listed in corpus.captions]
    counts = Counter(word for listed in captions for caption in listed for word in caption.replace(",", "").split())
    known, total = [], counts.total()
    for word in ("a", *sorted(counts)):
        if word not in known and sum(counts[w] for w in (*known, word)) <= share * total:
            known.append(word)
    vectors = np.random.default_rng(5).standard_normal((len(known), 24)).astype(np.float32)
    folder.mkdir()
    write_word2vec(folder / "vectors.bin", known, vectors)
    wording = Wording(EnglishConfig().build(), folder / "vectors.bin")
    source, dim = wording.describe()
    modalities = (ModalityHeader(VIDEO, "pooled", 48), ModalityHeader(TEXT, "words", dim, words=source))
    header = Header("worded", modalities)
    with Packer(folder / "data", header, {VIDEO.name: np.dtype(np.float32)}, wording, {}) as packer:
        for item, (split, listed) in enumerate(zip(corpus.splits, captions, strict=True)):
            video = [corpus.features[VIDEO.name][item, 0]]
            made = PackedItem(f"item-{item}", split, {"captions": listed}, {VIDEO.name: video})
            packer.add(Record(f"item-{item}", [made]))
        return packer.finish(0.1).dataset


def worded_recipe(dataset: Dataset) -> ExperimentConfig:
    """Return `mcn_fixed_small` with its contrast alone, which is what costs little."""
    made = mcn_fixed_small(dataset.spec, "VT", 0)
    stage = made.stages[0]
    objective = ObjectiveConfig(parts={"contrast": stage.objective.parts["contrast"]})
    return replace(made, stages=(replace(stage, objective=objective, batch_size=128, evaluate_every=3),))

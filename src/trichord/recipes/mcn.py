"""Multimodal Clustering Networks (Chen et al., ICCV 2021, arXiv 2104.12671), as published and without its faults.

Both build the same encoders from what the data hold: gated units on pooled vectors, word max-pool on words or word
vectors (text), ResDAVEnet on log-mel sequences (every other modality with sequences). From narrated video, a batch is
made of source videos, several clips of each; in the fixed form clips that overlap are no negatives of each other.
`mcn` makes each published choice by name, also those that are faults; `mcn_fixed` makes the others. docs/objectives.md
says what each costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from trichord.curricula import OrderStage, parse_order
from trichord.data import DatasetSpec, ModalitySpec
from trichord.encoders import AudioEncoderConfig, EncoderConfig, GatedHeadConfig, JointEncoderConfig, WordPoolConfig
from trichord.evaluation import EvaluationConfig
from trichord.modality import TEXT
from trichord.objectives import (
    ClusterConfig,
    InfoNCEConfig,
    MaskedMarginSoftmaxConfig,
    ObjectiveConfig,
    PairwiseConfig,
    ReconstructionConfig,
)
from trichord.recipes.pairs import stage_pairs
from trichord.runs import ExperimentConfig, MeasurementConfig
from trichord.training.optimization import OptimizerConfig
from trichord.training.stage import StageConfig


@dataclass(frozen=True)
class Size:
    """Sizes of a clustering network. The defaults are those published."""

    dim: int = 6144
    audio_widths: tuple[int, ...] = (128, 256, 512, 1024)
    decoder: int = 1024
    num_clusters: int = 256
    batch_size: int = 4096
    memory: int = 40960
    warmup_steps: int = 5000
    learning_rate: float = 1e-4
    training_frames: int = 1000
    evaluation_frames: int = 5120
    items_per_source: int = 32
    epochs: int = 30
    cluster_weight: float = 1.0


# With a few thousand clips, small batches give more steps, and a strong pull to centroids that have hardly formed can
# keep audio from being learnt at all; chosen on generated files (docs/results.md).
LAPTOP = Size(
    dim=256,
    audio_widths=(32, 64, 64, 128),
    decoder=128,
    num_clusters=32,
    batch_size=64,
    memory=2560,
    warmup_steps=20,
    learning_rate=1e-3,
    evaluation_frames=1000,
    items_per_source=8,
    epochs=12,
    cluster_weight=0.1,
)


def mcn(spec: DatasetSpec, order: str = "AVT", seed: int = 0, size: Size = Size()) -> ExperimentConfig:
    """MCN as published: dot products of unbounded vectors, margin 0.001, padding in the mean, targets not detached."""
    return _network(spec, order, seed, size, published=True)


def mcn_fixed(spec: DatasetSpec, order: str = "AVT", seed: int = 0, size: Size = Size()) -> ExperimentConfig:
    """MCN without its faults: unit vectors, a learnt temperature, spherical k-means, masked padding, fixed targets."""
    return _network(spec, order, seed, size, published=False)


def mcn_small(spec: DatasetSpec, order: str = "AVT", seed: int = 0) -> ExperimentConfig:
    """`mcn` in a size that trains on a laptop."""
    return mcn(spec, order, seed, LAPTOP)


def mcn_fixed_small(spec: DatasetSpec, order: str = "AVT", seed: int = 0) -> ExperimentConfig:
    """`mcn_fixed` in a size that trains on a laptop."""
    return mcn_fixed(spec, order, seed, LAPTOP)


def _network(spec: DatasetSpec, order: str, seed: int, size: Size, *, published: bool) -> ExperimentConfig:
    known = [entry.modality for entry in spec.modalities]
    stages = parse_order(order, known)
    used = [entry for entry in spec.modalities if entry.modality.name in stages[-1].modalities]
    encoders = {entry.modality.name: _encoder(entry, size, published) for entry in used}
    name = ("mcn" if published else "mcn_fixed") + ("_small" if size == LAPTOP else "")
    return ExperimentConfig(
        recipe=name,
        order=order,
        seed=seed,
        letters={e.modality.name: e.modality.letter for e in used},
        model=JointEncoderConfig(encoders=encoders, normalize=not published),
        evaluation=MeasurementConfig(
            scoring=EvaluationConfig(similarity="dot product" if published else "dot product of unit vectors")
        ),
        stages=tuple(_stage(stage, encoders, size, published, narrated=any(e.cut for e in used)) for stage in stages),
    )


def _encoder(entry: ModalitySpec, size: Size, published: bool) -> EncoderConfig:
    if entry.kind == "pooled":
        return GatedHeadConfig(input_dim=entry.dim, output_dim=size.dim)
    if entry.kind == "words" or entry.modality.name == TEXT.name:
        return WordPoolConfig(
            input_dim=entry.dim,
            output_dim=size.dim,
            mask_padding=not published,
            max_words=20,
            num_words=entry.num_words or None,
            word_vectors="" if entry.words is None else entry.words.fingerprint,
        )
    return AudioEncoderConfig(
        input_dim=entry.dim,
        output_dim=size.dim,
        widths=size.audio_widths,
        mask_padding=not published,
        padding_value=0.0 if published else -80.0,
        training_frames=size.training_frames,
        evaluation_frames=size.evaluation_frames,
        unused_input_norm=published,
    )


def _stage(
    stage: OrderStage, encoders: dict[str, EncoderConfig], size: Size, published: bool, *, narrated: bool
) -> StageConfig:
    contrast = MaskedMarginSoftmaxConfig(margin=0.001) if published else InfoNCEConfig()
    parts = {
        "contrast": PairwiseConfig(
            objective=contrast, pairs=stage_pairs(stage), mask_overlaps=narrated and not published
        ),
        "cluster": ClusterConfig(
            weight=1.0 if published else size.cluster_weight,
            modalities=stage.modalities,
            dim=size.dim,
            num_clusters=size.num_clusters,
            memory_size=size.memory,
            centroids="mean" if published else "spherical",
            temperature=None if published else 0.1,
            margin=0.001 if published else 0.0,
            max_iterations=100 if published else 20,
        ),
        "reconstruction": ReconstructionConfig(
            weight=50.0 if published else 1.0,
            dim=size.dim,
            hidden=size.decoder,
            output_relu=published,
            detach_targets=not published,
            dims={name: encoders[name].target_dim for name in stage.train},
        ),
    }
    optimizer = OptimizerConfig(learning_rate=size.learning_rate, warmup_steps=size.warmup_steps)
    return StageConfig(
        modalities=stage.modalities,
        train=stage.train,
        objective=ObjectiveConfig(parts=parts),
        optimizer=optimizer,
        epochs=size.epochs,
        batch_size=size.batch_size,
        items_per_source=size.items_per_source if narrated else None,
        keep="last" if published else "best",
    )

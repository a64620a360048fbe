"""The recipe of the demo: linear heads into a narrow space, as the planted corpus was designed for."""

from __future__ import annotations

from trichord.curricula import OrderStage, parse_order
from trichord.data import DatasetSpec
from trichord.data.planted import PlantedConfig
from trichord.encoders import JointEncoderConfig, LinearHeadConfig
from trichord.objectives import InfoNCEConfig, ObjectiveConfig, PairwiseConfig
from trichord.recipes.pairs import stage_pairs
from trichord.runs import ExperimentConfig
from trichord.training.optimization import OptimizerConfig
from trichord.training.stage import StageConfig


def planted(spec: DatasetSpec, order: str = "AVT", seed: int = 0) -> ExperimentConfig:
    """One linear head per modality into the width for which the planted corpus claims its winners."""
    known = [entry.modality for entry in spec.modalities]
    stages = parse_order(order, known)
    used = [entry for entry in spec.modalities if entry.modality.name in stages[-1].modalities]
    width = PlantedConfig().joint_dim
    encoders = {e.modality.name: LinearHeadConfig(input_dim=e.dim, output_dim=width, standardize=True) for e in used}
    return ExperimentConfig(
        recipe="planted",
        order=order,
        seed=seed,
        letters={e.modality.name: e.modality.letter for e in used},
        model=JointEncoderConfig(encoders=dict(encoders)),
        stages=tuple(_stage(stage) for stage in stages),
    )


def _stage(stage: OrderStage) -> StageConfig:
    contrast = PairwiseConfig(objective=InfoNCEConfig(), pairs=stage_pairs(stage))
    return StageConfig(
        modalities=stage.modalities,
        train=stage.train,
        objective=ObjectiveConfig(parts={"contrast": contrast}),
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=60),
        epochs=30,
        batch_size=128,
    )

"""Small heads on pooled features: the recipe for a few hundred to a few hundred thousand items."""

from __future__ import annotations

from trichord.curricula import OrderStage, parse_order
from trichord.data import DatasetSpec
from trichord.encoders import JointEncoderConfig, ResidualHeadConfig
from trichord.objectives import InfoNCEConfig, ObjectiveConfig, PairwiseConfig
from trichord.recipes.pairs import stage_pairs
from trichord.runs import ExperimentConfig
from trichord.training.optimization import OptimizerConfig
from trichord.training.stage import StageConfig


def heads(spec: DatasetSpec, order: str = "AVT", seed: int = 0) -> ExperimentConfig:
    """One head per modality, symmetric InfoNCE with a learnt temperature on every pair of which a side learns."""
    known = [entry.modality for entry in spec.modalities]
    stages = parse_order(order, known)
    used = [entry for entry in spec.modalities if entry.modality.name in stages[-1].modalities]
    encoders = {
        entry.modality.name: ResidualHeadConfig(
            input_dim=entry.dim, output_dim=256, hidden_dim=512, dropout=0.5, standardize=True
        )
        for entry in used
    }
    return ExperimentConfig(
        recipe="heads",
        order=order,
        seed=seed,
        letters={e.modality.name: e.modality.letter for e in used},
        model=JointEncoderConfig(encoders=dict(encoders)),
        stages=tuple(_stage(stage) for stage in stages),
    )


def _stage(stage: OrderStage) -> StageConfig:
    contrast = PairwiseConfig(
        objective=InfoNCEConfig(), pairs=stage_pairs(stage, joined_weight=1.0), normalize_joined=True
    )
    return StageConfig(
        modalities=stage.modalities,
        train=stage.train,
        objective=ObjectiveConfig(parts={"contrast": contrast}),
        optimizer=OptimizerConfig(learning_rate=1e-3, weight_decay=0.05),
        epochs=60,
        batch_size=512,
        evaluate_every=2,
    )

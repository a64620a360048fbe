"""Small heads on pooled features: the recipe for a few hundred to a few hundred thousand items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trichord.curricula import OrderStage, parse_order
from trichord.data import DatasetSpec
from trichord.encoders import JointEncoderConfig, ResidualHeadConfig
from trichord.objectives import InfoNCEConfig, ObjectiveConfig, PairwiseConfig
from trichord.recipes.pairs import stage_pairs
from trichord.runs import ExperimentConfig
from trichord.training.optimization import OptimizerConfig
from trichord.training.stage import StageConfig

FEW_ITEMS = 2000


@dataclass(frozen=True)
class Amount:
    """Settings that depend on how many items there are to learn from. docs/results.md says how they were chosen."""

    dropout: float
    hidden_dropout: float
    weight_decay: float
    contrast: InfoNCEConfig
    batch_size: int
    epochs: int
    evaluate_every: int
    keep: Literal["best", "last"]


# Few: most of the input is dropped, an epoch is one step, and a validation split of a hundred items is too small to
# choose an epoch by, so the schedule is run to its end.
FEW = Amount(0.7, 0.5, 1.0, InfoNCEConfig(initial_temperature=0.15, label_smoothing=0.1), FEW_ITEMS, 100, 5, "last")
MANY = Amount(0.0, 0.3, 0.01, InfoNCEConfig(), 512, 40, 2, "best")


def heads(spec: DatasetSpec, order: str = "AVT", seed: int = 0) -> ExperimentConfig:
    """One head per modality, symmetric InfoNCE with a learnt temperature on every pair of which a side learns."""
    known = [entry.modality for entry in spec.modalities]
    stages = parse_order(order, known)
    used = [entry for entry in spec.modalities if entry.modality.name in stages[-1].modalities]
    amount = FEW if spec.splits.get("train", spec.num_items) <= FEW_ITEMS else MANY
    encoders = {
        entry.modality.name: ResidualHeadConfig(
            input_dim=entry.dim,
            output_dim=256,
            hidden_dim=256,
            dropout=amount.dropout,
            hidden_dropout=amount.hidden_dropout,
            standardize=True,
        )
        for entry in used
    }
    return ExperimentConfig(
        recipe="heads",
        order=order,
        seed=seed,
        letters={e.modality.name: e.modality.letter for e in used},
        model=JointEncoderConfig(encoders=dict(encoders)),
        stages=tuple(_stage(stage, amount) for stage in stages),
    )


def _stage(stage: OrderStage, amount: Amount) -> StageConfig:
    pairs = stage_pairs(stage, joined_weight=1.0)
    contrast = PairwiseConfig(objective=amount.contrast, pairs=pairs, normalize_joined=True)
    return StageConfig(
        modalities=stage.modalities,
        train=stage.train,
        objective=ObjectiveConfig(parts={"contrast": contrast}),
        optimizer=OptimizerConfig(learning_rate=5e-3, weight_decay=amount.weight_decay),
        epochs=amount.epochs,
        evaluate_every=amount.evaluate_every,
        batch_size=amount.batch_size,
        keep=amount.keep,
    )

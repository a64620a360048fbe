"""Fine-tuning a trained model on the clips of a benchmark, in the manner of AVLnet-Text-Tri (Rouditchenko et al. 2021).

Text is pulled to the sum of all other modalities, which is the vector that T>VA is searched by. As published: batches
of 256, learning rate 1e-4; YouCook2 3 epochs, the rate times 0.9 after each; MSR-VTT 15 epochs at a constant rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from trichord.data import DatasetSpec
from trichord.encoders import JointEncoderConfig
from trichord.errors import ConfigError
from trichord.modality import TEXT, spell
from trichord.objectives import (
    InfoNCEConfig,
    MaskedMarginSoftmaxConfig,
    ObjectiveConfig,
    PairwiseConfig,
    WeightedPairConfig,
)
from trichord.recipes.rewording import reworded
from trichord.runs import ExperimentConfig, MeasurementConfig, Model, SelectionConfig
from trichord.training.optimization import OptimizerConfig
from trichord.training.stage import StageConfig


@dataclass(frozen=True)
class FineTuning:
    """How long and how fast. The defaults are those published for MSR-VTT."""

    epochs: int = 15
    decay: float = 1.0
    batch_size: int = 256
    learning_rate: float = 1e-4


YOUCOOK2 = FineTuning(epochs=3, decay=0.9)
MSRVTT = FineTuning()


def fine_tune(
    model: Model, spec: DatasetSpec, seed: int = 0, settings: FineTuning = MSRVTT, *, published: bool = False
) -> ExperimentConfig:
    """Return the experiment that goes on from a model: every encoder learns, text against the sum of the others.

    Args:
        model: what is fine-tuned.
        spec: the data.
        seed: seed of the order of batches.
        settings: how long and how fast.
        published: keep the last epoch's weights, and masked margin softmax on raw vectors where the model does not
            normalise; otherwise the best epoch on validation, and InfoNCE on unit vectors.

    Raises:
        ConfigError: the data lack text or any other modality of the model, or their words come from another file.
    """
    held = {entry.modality.name: entry for entry in spec.modalities}
    names = tuple(name for name in held if model.supports(name))
    if TEXT.name not in names or len(names) < 2:
        raise ConfigError(f"fine-tuning pulls text to other modalities; model and data share {list(names)}")
    encoders = {name: reworded(model.config.model.encoders[name], held[name], spec) for name in names}
    unit = model.config.model.normalize
    pair = WeightedPairConfig(left=(TEXT.name,), right=tuple(name for name in names if name != TEXT.name))
    contrast = PairwiseConfig(
        objective=InfoNCEConfig() if unit else MaskedMarginSoftmaxConfig(margin=0.001),
        pairs=(pair,),
        normalize_joined=unit,
    )
    known = [entry.modality for entry in spec.modalities if entry.modality.name in names]
    return ExperimentConfig(
        recipe="fine_tune",
        order=spell(names, known),
        seed=seed,
        letters={modality.name: modality.letter for modality in known},
        model=JointEncoderConfig(encoders=encoders, normalize=unit),
        evaluation=MeasurementConfig(scoring=model.config.evaluation.scoring),
        selection=SelectionConfig(split="val" if "val" in spec.splits else None),
        initial=model.identity,
        stages=(
            StageConfig(
                modalities=names,
                train=names,
                objective=ObjectiveConfig(parts={"contrast": contrast}),
                optimizer=OptimizerConfig(
                    learning_rate=settings.learning_rate, schedule="epoch decay", decay=settings.decay
                ),
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                keep="last" if published else "best",
            ),
        ),
    )

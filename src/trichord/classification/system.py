"""A classifier and its loss as one module: what the training loop drives."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

from trichord.batch import Batch, Features
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.model import Classified, FusionClassifier, widened
from trichord.curricula import training_mode
from trichord.dist import sum_processes
from trichord.encoders import Encoder
from trichord.objectives import LossTerms
from trichord.shapes import Float, Tensor
from trichord.training.system import Trainable, adapted


class ClassifierSystem(Trainable):
    """A classifier that learns.

    loss = mean over the rows of the global batch that hold a modality of their cross-entropy (one class per item, with
    label smoothing), or of their mean binary cross-entropy over the classes (several per item)
    + distillation * sum over the modalities that have a teacher of its distance.

    The distance is that of a uni-modal teacher (UMT; Du et al. 2023, ICML, "On Uni-Modal Feature Learning in Supervised
    Multi-Modal Learning"): the encoder's vector is held near the one that a frozen expert makes of the same features.
    Ours is the squared difference, averaged over the width and over the rows that hold the modality, so that its weight
    does not depend on how wide a vector is or on how many items lack one; the weight is chosen on validation.

    Args:
        model: the classifier; what is frozen in it asks for no gradients already.
        config: the experiment.
        truth: (items,) class of every item of the data, or (items, classes) which ones it has.
        teachers: modality name -> frozen encoder, on the device of the model. They are no part of the module, so that
            no checkpoint holds them.
    """

    model: FusionClassifier
    truth: Tensor

    def __init__(
        self,
        model: FusionClassifier,
        config: ClassifierExperimentConfig,
        truth: Tensor,
        teachers: Mapping[str, Encoder] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.several, self.learning = config.several, config.train
        self.smoothing, self.distillation = config.learning.label_smoothing, config.learning.distillation
        self.register_buffer("truth", truth, persistent=False)
        self._teachers = dict(teachers or {})

    def set_mode(self) -> None:
        """Put what learns in training mode; encoders in which matrices learn drop inputs as well."""
        self.train()
        training_mode(self.model.encoders, self.learning, adapted(self.model.encoders))

    def forward(self, batch: Batch) -> LossTerms:
        """Return the loss of the global batch, given this process's rows."""
        classified: Classified = self.model(batch.features, len(batch))
        terms = {"classes": self._class_loss(classified, self.truth[batch.items])}
        for name, teacher in self._teachers.items():
            far = self._distance(teacher, batch.features.get(name), classified.vectors[name])
            terms[f"teacher of {name}"] = self.distillation * far
        return LossTerms(terms)

    def _class_loss(self, classified: Classified, truth: Tensor) -> Float[Tensor, ""]:
        logits = widened(classified.logits)
        if self.several:
            each = functional.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
            losses = each.mean(dim=1)
        else:
            losses = functional.cross_entropy(logits, truth, reduction="none", label_smoothing=self.smoothing)
        held = classified.held.to(losses.dtype)
        return global_mean((losses * held).sum(), held.sum())

    def _distance(self, teacher: Encoder, features: Features | None, vectors: Tensor) -> Float[Tensor, ""]:
        if features is None:
            return global_mean(vectors.sum() * 0.0, vectors.new_zeros(()))
        with torch.no_grad():
            wanted = teacher(features).embedding.to(vectors.dtype)
        squares = (vectors[features.rows] - wanted).square().mean(dim=1)
        return global_mean(squares.sum(), squares.new_tensor(len(squares)))


def global_mean(total: Float[Tensor, ""], count: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return the mean over the rows of all processes, given this process's sum and number; 0 where there are none.

    Its gradient follows the convention of `trichord.dist`.
    """
    everywhere: Tensor = sum_processes(total) / sum_processes(count).clamp_min(1.0)
    return everywhere

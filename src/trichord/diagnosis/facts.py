"""Everything a check may look at, as plain records: what a run did, the data it saw, and what it scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.diagnosis.score_facts import AgainstFacts, ScoreFacts, near_chance
from trichord.shapes import Float
from trichord.training.convergence import Convergence, judge_convergence


@dataclass(frozen=True)
class StageFacts:
    """One stage.

    Args:
        name: spelled order up to this stage.
        train: modalities whose encoders learn.
        epochs: epochs it was to run.
        epochs_done: epochs it ran.
        stopped_early: whether it was told to stop before its schedule ended, as a refit on more data is.
        steps_per_epoch: steps of one epoch; None where no step was logged.
        learning_rate: peak learning rate.
        warmup_steps: steps until the peak.
        usual_epochs, usual_learning_rate: those of the recipe, or of the run compared with, where they are known to
            differ from this run's; None otherwise.
        losses, gradient_norms: of every logged step.
        loss_epochs: epoch (from 1) of each of these steps.
        validates: whether the run measures itself on a validation split.
        validation_epochs, validation: epochs done, and the deciding metric then.
        validation_metric: name of that metric.
        validation_chance: what random ranking scores there; None without validation.
        kept_epoch: epoch whose weights the stage handed on; None where it did not come so far.
        keep: "best" or "last".
    """

    name: str
    train: tuple[str, ...]
    epochs: int
    epochs_done: int
    stopped_early: bool
    steps_per_epoch: int | None
    learning_rate: float
    warmup_steps: int
    usual_epochs: int | None
    usual_learning_rate: float | None
    losses: tuple[float, ...]
    gradient_norms: tuple[float, ...]
    loss_epochs: tuple[int, ...]
    validates: bool
    validation_epochs: tuple[int, ...]
    validation: tuple[float, ...]
    validation_metric: str
    validation_chance: float | None
    kept_epoch: int | None
    keep: str

    @property
    def num_steps(self) -> int:
        """Steps of all epochs it was to run."""
        return (self.steps_per_epoch or 0) * self.epochs

    @property
    def convergence(self) -> Convergence:
        """Verdict on the validation curve; without validation, on the loss of every epoch, negated."""
        if self.validates:
            return judge_convergence(self.validation_epochs, self.validation)
        epochs = sorted(set(self.loss_epochs))
        means = [
            float(np.mean([v for v, e in zip(self.losses, self.loss_epochs, strict=True) if e == n])) for n in epochs
        ]
        return judge_convergence(epochs, [-mean for mean in means])


@dataclass(frozen=True)
class EncoderFacts:
    """The weights of one encoder beside those it began with, and beside the random ones of its seed.

    Args:
        modality: whose encoder.
        stages: names of the stages in which it learnt.
        start_rms: root mean square of the parameters it began with; None where the run went on from another model,
            whose weights are not kept.
        end_rms: now.
        moved_rms: root mean square of the difference; None as before.
        least_path: root of the sum of squared learning rates of all its steps up to the weights kept: how far Adam
            moves a weight whose gradient has random signs.
        like_fresh: whether the values of every matrix are distributed as at initialisation (Kolmogorov-Smirnov, at the
            0.1 % level) although they are others: the weights of another seed, untrained. False where the run went on
            from another model: what that one learnt in its time may be as little.
        as_drawn: whether every parameter is exactly the random one of the run's own seed.
        as_recorded: whether they are those that the last stage handed on, by hash; None where the run has no record.
    """

    modality: str
    stages: tuple[str, ...]
    start_rms: float | None
    end_rms: float
    moved_rms: float | None
    least_path: float
    like_fresh: bool
    as_drawn: bool
    as_recorded: bool | None

    @property
    def relative_change(self) -> float | None:
        """Change in units of the initial size; None where the run went on from weights that are not kept."""
        if self.start_rms is None or self.moved_rms is None:
            return None
        return self.moved_rms / max(self.start_rms, 1e-30)

    @property
    def growth(self) -> float | None:
        """Size in units of the initial one; None where that is unknown or zero."""
        return self.end_rms / self.start_rms if self.start_rms else None


@dataclass(frozen=True)
class WeightFacts:
    """The weights of the finished model.

    Args:
        fits_own_hash: whether the file's weights have the hash written beside them.
        fits_status: whether they have the hash that the run wrote when it finished; None where it wrote none.
        encoders: one record per encoder.
        started_from: hash of the weights of another model that the run went on from, of which it keeps no copy; None
            where it began with the random ones of its seed.
    """

    fits_own_hash: bool
    fits_status: bool | None
    encoders: tuple[EncoderFacts, ...]
    started_from: str | None = None


@dataclass(frozen=True)
class FeatureFacts:
    """A sample of one modality's features in one data set.

    Args:
        where: data set and splits, for sentences.
        instances: vectors or sequences looked at.
        mean, deviation: of every feature.
        blocks: names of the parts whose lengths are looked at: the streams, or the whole vector.
        lengths: median length of each part over vectors in which it is not zero.
        uneven: share of vectors with a part whose length is neither 0 nor, within 2 %, 1.
        zero: share of vectors (for sequences: steps) that are all zero.
        not_finite: share of vectors with NaN or infinity, which are left out of everything else.
        lowest, highest: the extreme values.
        positive: share of values above 0.
        unit: whether the data set says that every part is one long.
    """

    where: str
    instances: int
    mean: Float[np.ndarray, " dim"]
    deviation: Float[np.ndarray, " dim"]
    blocks: tuple[str, ...]
    lengths: tuple[float, ...]
    uneven: float
    zero: float
    not_finite: float
    lowest: float
    highest: float
    positive: float
    unit: bool


@dataclass(frozen=True)
class ModalityFacts:
    """One modality where it was learnt from and where it is measured.

    Args:
        modality, kind: its name and kind.
        log_mel: whether it is a sequence that the recipe reads as a log-mel spectrogram.
        standardized: whether its encoder fits mean and scale of its input.
        trained: the splits learnt from.
        evaluated: what is measured; None where nothing is, or the modality is absent there.
    """

    modality: str
    kind: str
    log_mel: bool
    standardized: bool
    trained: FeatureFacts
    evaluated: FeatureFacts | None


@dataclass(frozen=True)
class CoverageFacts:
    """How many words of a data set's captions have a vector.

    Args:
        where: name of the data set.
        tokens, known: words of all captions, and those with a vector; 0 where the data set does not say.
        captions: captions that are there.
        wordless: captions left out on import because no word of theirs is known.
    """

    where: str
    tokens: int
    known: int
    captions: int
    wordless: int

    @property
    def share(self) -> float | None:
        """Share of the words that are known; None where they were not counted."""
        return self.known / self.tokens if self.tokens else None


@dataclass(frozen=True)
class WordFacts:
    """Coverage of one modality of words, where it was learnt from and where it is measured."""

    modality: str
    trained: CoverageFacts
    evaluated: CoverageFacts | None


@dataclass(frozen=True)
class Facts:
    """Everything a check may look at.

    Args:
        run: run folder.
        state, error: from status.json.
        recipe, order: what was trained.
        recorded_data, given_data: name of the data set the run was trained on, and of the one that was given as such.
        measured_data: name of the data set the features are compared with.
        stages: what each stage did; stages that did not begin are left out.
        weights: the finished model; None where there is none.
        modalities: features.
        words: coverage of captions.
        measured: data set and split of the scores; empty where there are none.
        scores: one per task.
        measuring_failed: why the model could not be measured; empty where it could.
        against: another run; None where none was named.
    """

    run: str
    state: str
    error: str | None
    recipe: str
    order: str
    recorded_data: str
    given_data: str
    measured_data: str
    stages: tuple[StageFacts, ...]
    weights: WeightFacts | None
    modalities: tuple[ModalityFacts, ...]
    words: tuple[WordFacts, ...]
    measured: str
    scores: tuple[ScoreFacts, ...]
    measuring_failed: str
    against: AgainstFacts | None

    @property
    def at_chance(self) -> tuple[ScoreFacts, ...]:
        """Tasks whose score is at chance, or not worth telling from it."""
        return tuple(score for score in self.scores if near_chance(score))

    @property
    def poor(self) -> bool:
        """Whether at least half of the tasks are at chance or collapsed, or the model could not be measured."""
        bad = sum(near_chance(score) or bool(score.collapsed) for score in self.scores)
        return bool(self.measuring_failed) or (bool(self.scores) and 2 * bad >= len(self.scores))

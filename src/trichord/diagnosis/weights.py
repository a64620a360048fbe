"""The weights of a finished model beside those it began with, where its seed gives those back.

A run that went on from another model keeps no copy of that model's weights. Its own are then set beside random ones
only to find whether they are exactly those, for whatever else they differ by may have been learnt before it began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch

from trichord.diagnosis.facts import EncoderFacts, StageFacts, WeightFacts
from trichord.encoders import Encoder, JointEncoder
from trichord.files import hash_tensors
from trichord.runs.directory import RunDirectory
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.run import build_model
from trichord.shapes import Float, Tensor
from trichord.training.checkpoint import load_state, load_tensors
from trichord.training.optimization import OptimizerConfig, schedule_factor

# Kolmogorov-Smirnov at the 0.1 % level, on at most so many values of a matrix and at least so many.
KS_LEVEL, KS_MOST, KS_LEAST = 1.95, 20_000, 100


def compare_weights(directory: RunDirectory, config: ExperimentConfig, stages: tuple[StageFacts, ...]) -> WeightFacts:
    """Read the finished model and set every encoder beside its initialisation, as far as that is kept.

    Raises:
        RunError: the file is damaged or does not fit the configuration.
    """
    tensors, note = load_tensors(directory.model_file)
    found, status = hash_tensors(tensors), directory.status()
    recorded = status.get("model")
    handed_on = status["stages"][-1]["handover"] if status.get("stages") else {}
    with torch.random.fork_rng(devices=[]):
        start, end = build_model(config, None), build_model(config, None)
    load_state(end, tensors)
    return WeightFacts(
        fits_own_hash=found == note.get("hash"),
        fits_status=None if recorded is None else found == recorded,
        encoders=tuple(_compare(name, start, end, config, stages, handed_on.get(name)) for name in end.modalities),
        started_from=config.initial,
    )


def _compare(
    name: str,
    start: JointEncoder,
    end: JointEncoder,
    config: ExperimentConfig,
    stages: tuple[StageFacts, ...],
    handed_on: str | None,
) -> EncoderFacts:
    before, after = _parameters(start.encoder(name)), _parameters(end.encoder(name))
    learnt = [(facts, stage.optimizer, stage.epochs) for facts, stage in zip(stages, config.stages, strict=False)]
    paths = [_squared_path(facts, how, epochs) for facts, how, epochs in learnt if name in facts.train]
    kept = config.initial is None
    return EncoderFacts(
        modality=name,
        stages=tuple(facts.name for facts, _, _ in learnt if name in facts.train),
        start_rms=_rms(before.values()) if kept else None,
        end_rms=_rms(after.values()),
        moved_rms=_rms([after[key] - before[key] for key in before]) if kept else None,
        least_path=math.sqrt(sum(paths)),
        like_fresh=kept and looks_fresh(before, after),
        as_drawn=all(torch.equal(after[key], before[key]) for key in before),
        as_recorded=None if handed_on is None else hash_tensors(end.encoder(name).state_dict()) == handed_on,
    )


def _squared_path(stage: StageFacts, optimizer: OptimizerConfig, epochs: int) -> float:
    """Return the sum of squared learning rates up to the weights that the stage handed on."""
    per_epoch = stage.steps_per_epoch or 0
    taken = per_epoch * (stage.kept_epoch or 0)
    factors = [schedule_factor(step, per_epoch * epochs, optimizer, max(per_epoch, 1)) for step in range(taken)]
    return float(np.square(np.asarray(factors) * optimizer.learning_rate).sum())


def looks_fresh(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    """Whether every matrix holds other values than at initialisation, of the same distribution.

    False where there is no matrix of `KS_LEAST` values or more, or one is unchanged.
    """
    matrices = [key for key, values in before.items() if values.ndim >= 2 and values.numel() >= KS_LEAST]
    if not matrices:
        return False
    for key in matrices:
        a, b = (_thinned(values[key]) for values in (before, after))
        if np.array_equal(a, b) or kolmogorov_smirnov(a, b) > KS_LEVEL * math.sqrt(
            (len(a) + len(b)) / (len(a) * len(b))
        ):
            return False
        # Weights that training moved a little are distributed as before too, but they are still nearly the same.
        if float(np.corrcoef(a, b)[0, 1]) > 0.5:
            return False
    return True


def kolmogorov_smirnov(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> float:
    """Return the largest distance between the empirical distribution functions of two samples, in [0, 1]."""
    points = np.sort(np.concatenate([a, b]))
    left, right = (np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (a, b))
    return float(np.abs(left - right).max())


def _thinned(values: Tensor) -> np.ndarray:
    flat = values.reshape(-1)
    thinned: np.ndarray = flat[:: -(-len(flat) // KS_MOST)].double().numpy()
    return thinned


def _parameters(encoder: Encoder) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in encoder.named_parameters()}


def _rms(tensors: Iterable[Tensor]) -> float:
    listed = [tensor.double() for tensor in tensors]
    count = sum(tensor.numel() for tensor in listed)
    return math.sqrt(sum(float(tensor.square().sum()) for tensor in listed) / max(count, 1))

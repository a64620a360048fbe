"""What a planted corpus to classify can be told apart at best, modality by modality and together (Bayes).

The generating model, see `trichord.data.planted_classes`, gives the exact probability of every class given features.
The projections h = M_m' x_m on the signs' directions hold all that they say about the class, and h = s t + noise e.
With L = 2 s h / noise^2, the log of the odds of one sign, the log-odds of a bit that is the product of signs are

    2 artanh( product over its signs of tanh(L / 2) ),

and those of the classes follow by adding over bits and, given the class, over modalities, which are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from trichord.data.planted_classes import (
    PlantedClasses,
    PlantedClassesConfig,
    ViewConfig,
    bits_of,
    draw_bits,
    draw_signs,
    mixing,
)
from trichord.errors import ConfigError
from trichord.modality import STANDARD, spell
from trichord.randomness import numpy_generator
from trichord.shapes import Bool, Float

DRAWS = 50_000


@dataclass(frozen=True)
class Ceiling:
    """What some modalities tell at best.

    Args:
        modalities: their letters, such as "VA".
        values: measure -> per cent. "accuracy": of the likeliest class, which no classifier exceeds on average. Where
            items have several classes "micro F1" and "macro F1" of one who knows the true probabilities and takes a
            class to be there from one half on, as classifiers here do; another threshold may give a higher F1.
    """

    modalities: str
    values: Mapping[str, float]


def class_probabilities(
    config: PlantedClassesConfig,
    signals: Mapping[str, Float[np.ndarray, "items shown folds"]],
    present: Mapping[str, Bool[np.ndarray, " items"]],
    split: str,
) -> Float[np.ndarray, "items classes"]:
    """Return the probability of each class given what modalities show, exactly.

    Args:
        config: the corpus.
        signals: modality -> projections h of its features on the directions of the signs; modalities may be left out.
        present: modality -> the items that have it; the others tell nothing.
        split: the split they are of, for the share of items that a modality contradicts.

    Returns:
        Probabilities: of a row together 1, or of each class apart where items have several.
    """
    number = len(next(iter(signals.values())))
    if config.several:
        odds = np.full((number, config.bits), np.log(config.share / (1 - config.share)))
        for name, values in signals.items():
            odds[:, list(config.views[name].bits)] += bit_odds(config.views[name], values) * present[name][:, None]
        several: np.ndarray = 1 / (1 + np.exp(-odds))
        return several
    signs = np.where(bits_of(np.arange(2**config.bits), config.bits), 0.5, -0.5)
    logs = np.zeros((number, len(signs)))
    for name, values in signals.items():
        view = config.views[name]
        shown = bit_odds(view, values) @ signs[:, list(view.bits)].T
        logs += _with_conflict(shown, view.conflict.get(split, 0.0)) * present[name][:, None]
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    probabilities: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def bit_odds(view: ViewConfig, signals: Float[np.ndarray, "items shown folds"]) -> Float[np.ndarray, "items shown"]:
    """Return the log of the odds that a bit is 1, given the projections on its signs and even odds before."""
    each = 2 * view.strength * signals / view.noise**2
    if view.folds == 1:
        alone: np.ndarray = each[..., 0]
        return alone
    product = np.tanh(each / 2).prod(axis=-1)
    odds: np.ndarray = 2 * np.arctanh(np.clip(product, -1 + 1e-15, 1 - 1e-15))
    return odds


def _with_conflict(logs: np.ndarray, share: float) -> np.ndarray:
    """Turn log-likelihoods of what a modality shows into those of the class, which it may contradict."""
    if not share:
        return logs
    shown = np.exp(logs - logs.max(axis=1, keepdims=True))
    others = (shown.sum(axis=1, keepdims=True) - shown) / (logs.shape[1] - 1)
    mixed: np.ndarray = np.log((1 - share) * shown + share * others)
    return mixed


def planted_probabilities(
    config: PlantedClassesConfig, corpus: PlantedClasses, modalities: Sequence[str]
) -> Float[np.ndarray, "items classes"]:
    """Return the exact probability of each class for the items of a corpus, given the features of some modalities."""
    splits = np.array(corpus.splits)
    found = np.zeros((len(splits), len(config.classes)))
    for split in config.num_items:
        rows = splits == split
        signals = {}
        for name in modalities:
            view = config.views[name]
            directions = mixing(config, name)[:, : len(view.bits) * view.folds]
            signals[name] = (corpus.features[name][rows] @ directions).reshape(-1, len(view.bits), view.folds)
        present = {name: corpus.present[name][rows] for name in modalities}
        found[rows] = class_probabilities(config, signals, present, split)
    return found


def ceilings(config: PlantedClassesConfig, split: str = "test", draws: int = DRAWS) -> dict[str, Ceiling]:
    """Return what every set of modalities tells at best: the exact probabilities, averaged over items newly drawn.

    An item that has none of the modalities counts as wrong, as it does when a classifier is measured. The averages err
    by some 0.1 points with the default number of draws.

    Args:
        config: the corpus.
        split: whose share of contradicted items holds.
        draws: number of items drawn.

    Returns:
        Letters of the modalities, such as "V", "A", "VA" -> their ceiling.

    Raises:
        ConfigError: a split that the corpus does not have.
    """
    if split not in config.num_items:
        raise ConfigError(f"there is no split {split!r} in {list(config.num_items)}")
    bits = draw_bits(config, draws, numpy_generator(config.seed, "planted ceilings/bits"))
    signals, present = {}, {}
    for name in config.modalities:
        view, generator = config.views[name], numpy_generator(config.seed, f"planted ceilings/{name}")
        signs = draw_signs(view, bits, view.conflict.get(split, 0.0), generator)
        signals[name] = view.strength * signs + view.noise * generator.standard_normal(signs.shape)
        present[name] = generator.random(draws) >= view.missing
    found = {}
    for number in range(1, len(config.modalities) + 1):
        for names in combinations(config.modalities, number):
            probabilities = class_probabilities(config, {name: signals[name] for name in names}, present, split)
            held = np.any([present[name] for name in names], axis=0)
            letters = spell(names, STANDARD)
            measure = _f1 if config.several else _accuracy
            found[letters] = Ceiling(letters, measure(probabilities, held))
    return found


def ceiling_lines(found: Mapping[str, Ceiling]) -> list[str]:
    """Return the figures of ceilings in words, a line per set of modalities: "VA: accuracy 91.2 %"."""
    return [
        f"{letters}: " + ", ".join(f"{measure} {value:.1f} %" for measure, value in ceiling.values.items())
        for letters, ceiling in found.items()
    ]


def _accuracy(probabilities: np.ndarray, held: np.ndarray) -> dict[str, float]:
    # The likeliest class is right with its own probability: its mean errs less than counting who is right.
    return {"accuracy": 100 * float((probabilities.max(axis=1) * held).mean())}


def _f1(probabilities: np.ndarray, held: np.ndarray) -> dict[str, float]:
    answered = (probabilities > 0.5) & held[:, None]
    right, given, there = ((probabilities * answered).sum(axis=0), answered.sum(axis=0), probabilities.sum(axis=0))
    each = 2 * right / (given + there)
    return {
        "micro F1": 100 * float(2 * right.sum() / (given.sum() + there.sum())),
        "macro F1": 100 * float(each.mean()),
    }

"""A corpus to classify of which is known what each modality can tell at best, and what all can together.

Model of an item. An item has bits, signs b_k of -1 or 1. Its class is the number its bits spell, all equally likely;
or, where items have several classes, class k is there where b_k = 1, for a share of the items, each class independently
of the others. A modality m shows some of the bits, each by `folds` signs t whose product is the bit, all of them but
the last drawn at random:

    x_m = M_m [s_m t; private_strength * p] + noise_m * e,        p, e ~ N(0, I),

with M_m a matrix of orthonormal columns fixed by the seed. With one fold a bit is a direction of the features, which
any linear classifier finds at once. With two it is whether two directions agree (exclusive or): every direction alone
says nothing, the classes have equal means, and only a non-linear encoder learns it, slowly. For a share of the items of
a split a modality may show the bits of another class. What an item is at best taken for, given its features, follows
in closed form: `trichord.data.planted_ceilings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from trichord.config import Config
from trichord.data.dataset import Dataset
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.errors import ConfigError
from trichord.modality import STANDARD
from trichord.randomness import numpy_generator
from trichord.shapes import Bool, Float, Int

LABEL = "class"
SEVERAL_LABEL = "classes"
MOST_BITS = 10
_NAMES = tuple(modality.name for modality in STANDARD)


@dataclass(frozen=True, kw_only=True)
class ViewConfig(Config):
    """What one modality shows.

    Args:
        bits: the bits that it shows, counted from 0.
        strength: s_m, size of a sign.
        folds: signs whose product is a bit: 1, a direction; 2, whether two directions agree; and so on.
        noise: standard deviation of the noise on every feature.
        dim: width of its features.
        num_private: number of nuisance dimensions that say nothing about the class.
        private_strength: their size.
        conflict: split -> share of its items for which the modality shows another class, any other equally likely;
            none in a split that is not named.
        missing: share of the items, in every split, that lack it.
    """

    bits: tuple[int, ...]
    strength: float = 2.0
    folds: int = 1
    noise: float = 1.0
    dim: int = 48
    num_private: int = 8
    private_strength: float = 1.0
    conflict: dict[str, float] = field(default_factory=dict)
    missing: float = 0.0

    def __post_init__(self) -> None:
        if not self.bits or len(set(self.bits)) != len(self.bits) or min(self.bits) < 0:
            raise ConfigError(f"a modality shows one bit or more, each named once from 0, got {self.bits}")
        if self.folds < 1 or self.noise <= 0 or min(self.strength, self.num_private, self.private_strength) < 0:
            raise ConfigError("folds are at least 1, noise is positive, and no strength is negative")
        needed = len(self.bits) * self.folds + self.num_private
        if needed > self.dim:
            raise ConfigError(f"signs and nuisances need {needed} dims, got {self.dim}")
        if not 0 <= self.missing < 1 or any(not 0 <= part < 1 for part in self.conflict.values()):
            raise ConfigError(
                f"conflict and missing are shares from 0 to below 1, got {self.conflict} and {self.missing}"
            )


@dataclass(frozen=True, kw_only=True)
class PlantedClassesConfig(Config):
    """Settings of a planted corpus to classify.

    Args:
        views: modality -> what it shows; video, audio and text, or some of them.
        bits: of every item: 2 to the power of bits classes, or, where items have several, as many classes as bits.
        several: whether an item may have several classes at once.
        share: of the items that have a class, where items have several.
        num_items: split -> number of items.
        seed: seed of everything drawn.
    """

    views: dict[str, ViewConfig]
    bits: int
    several: bool = False
    share: float = 0.3
    num_items: dict[str, int] = field(default_factory=lambda: {"train": 1500, "val": 300, "test": 600})
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.views or not set(self.views) <= set(_NAMES):
            raise ConfigError(f"views are of {', '.join(_NAMES)}, got {list(self.views)}")
        if not 1 <= self.bits <= MOST_BITS or (self.several and self.bits < 2) or not 0 < self.share < 1:
            raise ConfigError(
                f"bits are 1 to {MOST_BITS}, two or more for several classes, and share lies between 0 and 1; got "
                f"{self.bits} and {self.share}"
            )
        if not self.num_items or min(self.num_items.values()) < 1:
            raise ConfigError(f"there is a split, and every split has an item, got {self.num_items}")
        for name, view in self.views.items():
            if max(view.bits) >= self.bits:
                raise ConfigError(f"{name} shows the bits {view.bits}, and there are {self.bits}, counted from 0")
            unknown = sorted(set(view.conflict) - set(self.num_items))
            if unknown or (self.several and view.conflict):
                raise ConfigError(
                    f"conflict names splits of {list(self.num_items)}, and only where an item has one class; got "
                    f"{view.conflict} for {name}"
                )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order video, audio, text."""
        return tuple(name for name in _NAMES if name in self.views)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes: what a classifier finds in the label column, in its order."""
        number = self.bits if self.several else 2**self.bits
        return tuple(f"c{place:0{len(str(number - 1))}d}" for place in range(number))


@dataclass(frozen=True)
class PlantedClasses:
    """A planted corpus to classify, in memory.

    Args:
        splits: split of each item.
        bits: (items, bits) whether a bit is 1.
        features: modality -> (items, dim) float32; of all items, whether missing or not.
        present: modality -> (items,) bool.
    """

    splits: list[str]
    bits: Bool[np.ndarray, "items bits"]
    features: Mapping[str, Float[np.ndarray, "items dim"]]
    present: Mapping[str, Bool[np.ndarray, " items"]]

    @property
    def numbers(self) -> Int[np.ndarray, " items"]:
        """(items,) the number that the bits of an item spell, the first bit the lowest."""
        return spelled(self.bits)


def spelled(bits: Bool[np.ndarray, "items bits"]) -> Int[np.ndarray, " items"]:
    """Return the numbers that bits spell, the first bit the lowest."""
    numbers: np.ndarray = (bits << np.arange(bits.shape[1])).sum(axis=1).astype(np.int64)
    return numbers


def bits_of(numbers: Int[np.ndarray, " items"], bits: int) -> Bool[np.ndarray, "items bits"]:
    """Return the bits that spell numbers, the lowest first."""
    found: np.ndarray = (numbers[:, None] >> np.arange(bits) & 1).astype(bool)
    return found


def plant_classes(config: PlantedClassesConfig) -> PlantedClasses:
    """Generate the corpus; a function of the configuration. A split does not depend on the size of the others."""
    bits, present = [], []
    features: dict[str, list[np.ndarray]] = {name: [] for name in config.modalities}
    for split, number in config.num_items.items():

        def draws(purpose: str, split: str = split) -> np.random.Generator:
            return numpy_generator(config.seed, f"planted classes/{purpose}/{split}")

        bits.append(draw_bits(config, number, draws("bits")))
        held = {name: draws(f"{name}/missing").random(number) >= config.views[name].missing for name in features}
        present.append(held)
        for name, parts in features.items():
            view = config.views[name]
            signs = draw_signs(view, bits[-1], view.conflict.get(split, 0.0), draws(f"{name}/signs"))
            private = view.private_strength * draws(f"{name}/private").standard_normal((number, view.num_private))
            hidden = np.concatenate([view.strength * signs.reshape(number, -1), private], axis=1)
            noise = view.noise * draws(f"{name}/noise").standard_normal((number, view.dim))
            parts.append((hidden @ mixing(config, name).T + noise).astype(np.float32))
    return PlantedClasses(
        [split for split, number in config.num_items.items() for _ in range(number)],
        np.concatenate(bits),
        {name: np.concatenate(parts) for name, parts in features.items()},
        {name: np.concatenate([held[name] for held in present]) for name in features},
    )


def draw_bits(config: PlantedClassesConfig, number: int, draws: np.random.Generator) -> Bool[np.ndarray, "items bits"]:
    """Draw the bits of items: every class equally likely, or every class there for a share of the items."""
    if config.several:
        return draws.random((number, config.bits)) < config.share
    return bits_of(draws.integers(0, 2**config.bits, number), config.bits)


def draw_signs(
    view: ViewConfig, bits: Bool[np.ndarray, "items bits"], conflict: float, draws: np.random.Generator
) -> Float[np.ndarray, "items shown folds"]:
    """Draw the signs by which a modality shows the bits of items, or those of another class for a share of them."""
    classes = 2 ** bits.shape[1]
    away = np.where(draws.random(len(bits)) < conflict, draws.integers(1, classes, len(bits)), 0)
    shown = bits_of((spelled(bits) + away) % classes, bits.shape[1])[:, list(view.bits)]
    signs = draws.choice([-1.0, 1.0], (*shown.shape, view.folds))
    signs[..., -1] = np.where(shown, 1.0, -1.0) * signs[..., :-1].prod(axis=-1)
    return signs


def mixing(config: PlantedClassesConfig, name: str) -> Float[np.ndarray, "dim hidden"]:
    """Return M_m of a modality, orthonormal columns: the signs first, then the nuisances."""
    view = config.views[name]
    shape = (view.dim, len(view.bits) * view.folds + view.num_private)
    basis: np.ndarray = np.linalg.qr(
        numpy_generator(config.seed, f"planted classes/{name}/mixing").standard_normal(shape)
    )[0]
    return basis


def write_planted_classes(
    path: str | Path, config: PlantedClassesConfig, description: str = "", overwrite: bool = False
) -> Dataset:
    """Generate the corpus and write it as a data set; its notes are the configuration as JSON.

    The label column is "class", one name per item, or "classes", a list of names per item, empty where it has none.
    """
    corpus = plant_classes(config)
    counted = [f"{split}-{place:05d}" for split, number in config.num_items.items() for place in range(number)]
    if config.several:
        names = [[config.classes[place] for place in np.flatnonzero(row)] for row in corpus.bits]
        label = {SEVERAL_LABEL: pa.array(names, pa.list_(pa.string()))}
    else:
        label = {LABEL: pa.array([config.classes[number] for number in corpus.numbers])}
    modalities = {}
    for name, values in corpus.features.items():
        rows = np.flatnonzero(corpus.present[name])
        modalities[name] = ModalityArrays(values[rows], None if len(rows) == len(values) else rows.astype(np.int64))
    return write_dataset(
        path,
        name="planted classes",
        items={"id": counted, "split": corpus.splits, **label},
        modalities=modalities,
        description=description,
        notes=json.dumps(config.to_dict()),
        overwrite=overwrite,
    )


PlantedClassesConfig.builds = plant_classes

"""A corpus whose items carry attributes that chosen sets of modalities share, so that the winners are known.

Model of an item. Each group g (a set of modalities, such as VT) has attributes z_g ~ N(0, I). Attribute k (from 0) of
group g enters every modality of the group with size s_gk = strength_g * decay^k. A modality m sees

    x_m = M_m [s_gk z_gk for the groups g with m in g; private_strength * p_m] + noise_m * e,   p_m, e ~ N(0, I)

with M_m a matrix of orthonormal columns fixed by the seed, and, if curvature c > 0, tanh(c x_m) / c in place of x_m.
Private nuisance p_m is drawn anew for every instance, so the captions of an item agree on its attributes only. Because
M_m is orthonormal, the canonical correlation of modalities m and n on an attribute both see is known (c = 0):

    rho = s^2 / sqrt((s^2 + noise_m^2) (s^2 + noise_n^2)),   information = -log(1 - rho^2) / 2  nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trichord.config import Config
from trichord.data.dataset import TEXT_NAME, Dataset
from trichord.data.planted_words import caption
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.errors import ConfigError
from trichord.modality import AUDIO, STANDARD, TEXT, VIDEO, unspell
from trichord.randomness import numpy_generator

TRAIN = "train"
LATER_FIELDS: Mapping[str, Any] = {"apart": {}}
"""Fields of `PlantedConfig` that older settings lack, with the value under which the corpus is the one of then."""

_NAMES = tuple(modality.name for modality in STANDARD)


def _each(value: float) -> dict[str, float]:
    return dict.fromkeys(_NAMES, value)


@dataclass(frozen=True, kw_only=True)
class PlantedConfig(Config):
    """Settings of the planted corpus.

    The default has a winner for every task that a linear head in a joint space of `joint_dim` dimensions shows by a
    wide margin: 32 attributes compete for 18 dimensions, so an order that may spend them all on one pair beats joint
    training on that pair, and joint training wins where text must show what it shares with video and with audio.

    Args:
        num_items: split -> number of items.
        seed: seed of everything drawn.
        attributes: group ("VT", "AT", "VA", "VAT", ...) -> number of attributes its modalities share.
        strength: group -> size of its first attribute.
        decay: each further attribute of a group is this much smaller, in (0, 1].
        dim: modality -> width of its features.
        noise: modality -> standard deviation of the noise on every feature.
        num_private: modality -> number of nuisance dimensions nobody shares.
        private_strength: size of the nuisance.
        curvature: 0 for linear features; larger bends them by tanh.
        num_captions: text instances, and captions, per item.
        missing: modality -> fraction of the items, in every split, that lack it.
        apart: pair ("VT") -> fraction of the items of the split "train" that never show both: half of these lack the
            one, half the other. What the two share can then be learnt by way of a third modality only, as far as that
            has it too; the other splits stay complete.
        joint_dim: width of the joint space the winners are claimed for.
    """

    num_items: dict[str, int] = field(default_factory=lambda: {"train": 2000, "val": 300, "test": 500})
    seed: int = 0
    attributes: dict[str, int] = field(default_factory=lambda: {"VT": 12, "AT": 12, "VA": 8, "VAT": 2})
    strength: dict[str, float] = field(default_factory=lambda: {"VT": 1.0, "AT": 1.0, "VA": 0.85, "VAT": 0.5})
    decay: float = 0.8
    dim: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NAMES, 64))
    noise: dict[str, float] = field(default_factory=lambda: _each(0.35))
    num_private: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NAMES, 8))
    private_strength: float = 1.0
    curvature: float = 0.0
    num_captions: int = 2
    missing: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    joint_dim: int = 18

    def __post_init__(self) -> None:
        spelled = [frozenset(unspell(group, STANDARD)) for group in self.attributes]
        if len(set(spelled)) != len(spelled) or any(len(group) < 2 for group in spelled):
            raise ConfigError(f"a group is a set of two or three modalities, named once, got {list(self.attributes)}")
        if set(self.strength) != set(self.attributes):
            raise ConfigError(f"strength names the groups {sorted(self.attributes)}, got {sorted(self.strength)}")
        for name, mapping in (("dim", self.dim), ("noise", self.noise), ("num_private", self.num_private)):
            if set(mapping) != set(_NAMES):
                raise ConfigError(f"{name} names the modalities {list(_NAMES)}, got {sorted(mapping)}")
        if not set(self.missing) <= set(_NAMES) or any(not 0 <= part < 1 for part in self.missing.values()):
            raise ConfigError(f"missing gives modalities a fraction from 0 to below 1, got {self.missing}")
        pairs = [frozenset(unspell(pair, STANDARD)) for pair in self.apart]
        if len(set(pairs)) != len(pairs) or any(len(pair) != 2 for pair in pairs):
            raise ConfigError(f"apart names pairs of modalities, each once, got {list(self.apart)}")
        if any(not 0 <= part <= 1 for part in self.apart.values()) or (self.apart and TRAIN not in self.num_items):
            raise ConfigError(f"apart gives pairs a fraction from 0 to 1 of the items of {TRAIN!r}, got {self.apart}")
        if not self.num_items or min(self.num_items.values()) < 1 or self.num_captions < 1 or self.joint_dim < 1:
            raise ConfigError("numbers of items and captions, and joint_dim, are at least 1, and there is a split")
        if not 0 < self.decay <= 1 or self.curvature < 0 or min(self.noise.values()) <= 0:
            raise ConfigError("decay lies in (0, 1], curvature is not negative, noise is positive")
        for name in _NAMES:
            needed = self.num_private[name] + sum(self.attributes[group] for group in self.groups_of(name))
            if needed > self.dim[name]:
                raise ConfigError(f"{name} mixes {needed} attributes and nuisances, which need as many dims, got less")

    def groups_of(self, modality: str) -> tuple[str, ...]:
        """Return the groups a modality takes part in."""
        return tuple(group for group in self.attributes if modality in unspell(group, STANDARD))

    def sizes(self, group: str) -> np.ndarray:
        """Return (attributes,) size s_gk of a group's attributes."""
        sizes: np.ndarray = self.strength[group] * self.decay ** np.arange(self.attributes[group], dtype=np.float64)
        return sizes


@dataclass(frozen=True)
class PlantedCorpus:
    """A planted corpus in memory.

    Args:
        splits: split of each item.
        latents: group -> (items, attributes).
        features: modality -> (items, instances of each item, dim) float32; all instances, whether missing or not.
        present: modality -> (items,) bool.
        captions: captions of each item; none where text is missing.
    """

    splits: list[str]
    latents: Mapping[str, np.ndarray]
    features: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    captions: list[list[str]]


def plant(config: PlantedConfig) -> PlantedCorpus:
    """Generate the corpus; a function of the configuration. A split does not depend on the size of the others."""
    latents = {group: _draw(config, f"latents/{group}", (number,)) for group, number in config.attributes.items()}
    features = {name: _features(config, name, latents) for name in _NAMES}
    present = {name: _draw_present(config, name) for name in _NAMES}
    return PlantedCorpus(
        [split for split, number in config.num_items.items() for _ in range(number)],
        latents,
        features,
        present,
        _captions(config, latents, present[TEXT_NAME]),
    )


def _draw(config: PlantedConfig, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw (items, *shape) standard normal numbers, each split from its own generator."""
    parts = [
        numpy_generator(config.seed, f"planted/{purpose}/{split}").standard_normal((number, *shape))
        for split, number in config.num_items.items()
    ]
    return np.concatenate(parts)


def _draw_present(config: PlantedConfig, name: str) -> np.ndarray:
    parts = [
        numpy_generator(config.seed, f"planted/missing/{name}/{split}").random(number) >= config.missing.get(name, 0.0)
        for split, number in config.num_items.items()
    ]
    present = np.concatenate(parts)
    for pair, part in config.apart.items():
        one, other = unspell(pair, STANDARD)
        if name in (one, other):
            place = numpy_generator(config.seed, f"planted/apart/{one}-{other}").random(config.num_items[TRAIN])
            lost = place < part / 2 if name == one else (place >= part / 2) & (place < part)
            present[_rows_of(config, TRAIN)] &= ~lost
    return present


def _rows_of(config: PlantedConfig, split: str) -> slice:
    """Return the rows of a split; the splits lie one after another."""
    names = list(config.num_items)
    start = sum(config.num_items[name] for name in names[: names.index(split)])
    return slice(start, start + config.num_items[split])


def _features(config: PlantedConfig, name: str, latents: Mapping[str, np.ndarray]) -> np.ndarray:
    num_instances = config.num_captions if name == TEXT_NAME else 1
    shared = np.concatenate([latents[group] * config.sizes(group) for group in config.groups_of(name)] or [[]], axis=1)
    private = config.private_strength * _draw(config, f"private/{name}", (num_instances, config.num_private[name]))
    hidden = np.concatenate([np.repeat(shared[:, None], num_instances, axis=1), private], axis=2)
    raw = numpy_generator(config.seed, f"planted/mixing/{name}").standard_normal((config.dim[name], hidden.shape[2]))
    mixing = np.linalg.qr(raw)[0]
    mixed = hidden @ mixing.T + config.noise[name] * _draw(config, f"noise/{name}", (num_instances, config.dim[name]))
    bent: np.ndarray = np.tanh(config.curvature * mixed) / config.curvature if config.curvature else mixed
    return bent.astype(np.float32)


def _captions(config: PlantedConfig, latents: Mapping[str, np.ndarray], present: np.ndarray) -> list[list[str]]:
    """Word each caption from the attributes as text sees them, through noise of its own."""
    sets = {frozenset(unspell(group, STANDARD)): group for group in config.attributes}
    views = []
    for names in ({VIDEO.name, TEXT.name}, {AUDIO.name, TEXT.name}, set(_NAMES)):
        group = sets.get(frozenset(names))
        if group is None:
            views.append(np.zeros((len(present), config.num_captions, 0)))
            continue
        relative = config.noise[TEXT_NAME] / config.sizes(group)
        noise = _draw(config, f"wording/{group}", (config.num_captions, config.attributes[group]))
        views.append(latents[group][:, None] + relative * noise)
    return [
        [caption(*(view[item, k] for view in views)) for k in range(config.num_captions)] if present[item] else []
        for item in range(len(present))
    ]


def write_planted(path: str | Path, config: PlantedConfig, overwrite: bool = False) -> Dataset:
    """Generate the corpus and write it as a data set; the configuration goes into the description."""
    corpus = plant(config)
    counters: dict[str, int] = {}
    ids = []
    for split in corpus.splits:
        ids.append(f"{split}-{counters.setdefault(split, 0):05d}")
        counters[split] += 1
    modalities = {}
    for name, values in corpus.features.items():
        rows = np.flatnonzero(corpus.present[name])
        owners = np.repeat(rows, values.shape[1]).astype(np.int64)
        plain = values.shape[1] == 1 and len(rows) == len(values)
        flat = values[rows].reshape(-1, values.shape[2])
        modalities[name] = ModalityArrays(flat, None if plain else owners)
    return write_dataset(
        path,
        name="planted",
        items={"id": ids, "split": corpus.splits, "captions": corpus.captions},
        modalities=modalities,
        description="planted corpus: " + ", ".join(f"{n} attributes of {g}" for g, n in config.attributes.items()),
        notes=str(config.to_dict()),
        overwrite=overwrite,
    )


PlantedConfig.builds = plant

"""Word vectors for the words of generated captions, in the binary format of word2vec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.config import Config
from trichord.data.generated.lexicons import COOKING, SCENES
from trichord.data.generated.phrasing import PhrasingConfig
from trichord.data.word2vec import write_word2vec
from trichord.errors import ConfigError
from trichord.randomness import numpy_generator
from trichord.shapes import Float


@dataclass(frozen=True, kw_only=True)
class WordVectorsConfig(Config):
    """Settings of generated word vectors.

    Args:
        phrasings: languages whose words are in the file.
        seed: seed of the vectors. A word's vector does not depend on the other words.
        dim: width; published: 300.
        length: root mean square of a vector's numbers; as in the published vectors, about 0.15.
        relatedness: share of the variance that words of one slot have in common.
        num_fillers: further entries, which no caption uses: pairs of words, as the published file has them.
        left_out: words of the captions that the file lacks; the published one lacks "a", "and", "of" and "to".
    """

    phrasings: tuple[PhrasingConfig, ...] = (COOKING, SCENES)
    seed: int = 0
    dim: int = 300
    length: float = 0.15
    relatedness: float = 0.3
    num_fillers: int = 1000
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.phrasings or self.dim < 1 or self.length <= 0 or self.num_fillers < 0:
            raise ConfigError("there is a phrasing, dim and length are above 0, and num_fillers is not negative")
        if not 0 <= self.relatedness < 1:
            raise ConfigError(f"relatedness lies in [0, 1), got {self.relatedness}")


@dataclass(frozen=True)
class WrittenWordVectors:
    """What was written: the file, its words in order, and how many of them captions use."""

    file: Path
    words: tuple[str, ...]
    num_used: int


def write_word_vectors(file: str | Path, config: WordVectorsConfig) -> WrittenWordVectors:
    """Write the file; a function of the configuration. "</s>" comes first, as in the published file, fillers last."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    related: dict[str, str | None] = {"</s>": None}
    for phrasing in config.phrasings:
        for word in phrasing.plain_words:
            related.setdefault(word, None)
    for phrasing in config.phrasings:
        for slot, words in phrasing.slots.items():
            for word in words:
                related.setdefault(word, slot)
    for word in config.left_out:
        related.pop(word, None)
    fillers = _fillers([word for word in related if word != "</s>"], config)
    vectors = [_vector(word, slot, config) for word, slot in related.items()]
    vectors += [_vector(word, None, config) for word in fillers]
    listed = (*related, *fillers)
    write_word2vec(file, listed, np.stack(vectors))
    return WrittenWordVectors(file, listed, len(related) - 1)


def _vector(word: str, slot: str | None, config: WordVectorsConfig) -> Float[np.ndarray, " dim"]:
    own = numpy_generator(config.seed, f"generated/word/{word}").standard_normal(config.dim)
    if slot is not None:
        common = numpy_generator(config.seed, f"generated/slot/{slot}").standard_normal(config.dim)
        own = np.sqrt(1 - config.relatedness) * own + np.sqrt(config.relatedness) * common
    scaled: np.ndarray = (config.length * own).astype(np.float32)
    return scaled


def _fillers(words: list[str], config: WordVectorsConfig) -> list[str]:
    if config.num_fillers > len(words) ** 2:
        raise ConfigError(f"{len(words)} words make {len(words) ** 2} pairs, asked for {config.num_fillers}")
    generator = numpy_generator(config.seed, "generated/fillers")
    drawn = generator.choice(len(words) ** 2, config.num_fillers, replace=False)
    return [f"{words[number // len(words)]}_{words[number % len(words)]}" for number in drawn.tolist()]

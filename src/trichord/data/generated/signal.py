"""What generated clips mean: attributes that chosen sets of modalities share, and how each modality sees them.

The model is that of `trichord.data.planted`, in units of the attributes. Each group g (a set of modalities, such as VT)
has attributes z ~ N(0, I). A modality m of the group sees each of them through noise of its own,

    x = (strength_g z + noise_m e) / sqrt(strength_g^2 + noise_m^2),   e ~ N(0, 1),

beside private nuisances p ~ N(0, I). All columns of x have variance one; the correlation of what modalities m and n see
of one attribute is s^2 / sqrt((s^2 + noise_m^2) (s^2 + noise_n^2)). x is what `visual`, `sound` and `phrasing` render.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trichord.config import Config
from trichord.data.generated.phrasing import PhrasingConfig
from trichord.data.generated.sound import SoundConfig
from trichord.data.generated.visual import VisualConfig
from trichord.errors import ConfigError
from trichord.modality import AUDIO, STANDARD, TEXT, VIDEO, unspell
from trichord.randomness import numpy_generator
from trichord.shapes import Float, Int

_NAMES = tuple(modality.name for modality in STANDARD)


@dataclass(frozen=True, kw_only=True)
class SignalConfig(Config):
    """Settings of the signal; corpora with the same signal speak of the same things, so a model carries over.

    Args:
        seed: seed of the mixing matrices, spectral patterns and word vectors.
        attributes: group ("VT", "AT", "VA", "VAT") -> number of attributes its modalities share.
        strength: group -> size of its attributes against the noise.
        noise: modality -> standard deviation of the noise through which it sees attributes.
        num_private: modality -> number of nuisances nobody shares. Text says one word for each attribute and nuisance,
            so for text the two together number the slots of the phrasing.
        visual: how video renders what it sees.
        sound: how audio does.
        phrasing: how text does.
    """

    seed: int = 0
    attributes: dict[str, int]
    strength: dict[str, float]
    noise: dict[str, float]
    num_private: dict[str, int]
    visual: VisualConfig = VisualConfig()
    sound: SoundConfig = SoundConfig()
    phrasing: PhrasingConfig

    def __post_init__(self) -> None:
        spelled = [frozenset(unspell(group, STANDARD)) for group in self.attributes]
        if len(set(spelled)) != len(spelled) or any(len(group) < 2 for group in spelled):
            raise ConfigError(f"a group is a set of two or three modalities, named once, got {list(self.attributes)}")
        if set(self.strength) != set(self.attributes):
            raise ConfigError(f"strength names the groups {sorted(self.attributes)}, got {sorted(self.strength)}")
        for name, mapping in (("noise", self.noise), ("num_private", self.num_private)):
            if set(mapping) != set(_NAMES):
                raise ConfigError(f"{name} names the modalities {list(_NAMES)}, got {sorted(mapping)}")
        if min(self.attributes.values(), default=1) < 1 or min(self.num_private.values()) < 0:
            raise ConfigError("a group has one attribute or more, and numbers of nuisances are not negative")
        if min(self.strength.values(), default=1) <= 0 or min(self.noise.values()) < 0:
            raise ConfigError("strength is above 0 and noise is not negative")
        if self.width(TEXT.name) != len(self.phrasing.slots):
            raise ConfigError(
                f"text sees {self.width(TEXT.name)} attributes and nuisances and has {len(self.phrasing.slots)} slots "
                f"to say them in; set num_private of text to {len(self.phrasing.slots)} minus its attributes"
            )
        if self.width(AUDIO.name) >= self.sound.num_mels:
            raise ConfigError(f"audio sees {self.width(AUDIO.name)} things, which need more than as many mel bands")

    def groups_of(self, modality: str) -> tuple[str, ...]:
        """Return the groups a modality takes part in."""
        return tuple(group for group in self.attributes if modality in unspell(group, STANDARD))

    def width(self, modality: str) -> int:
        """Return how many attributes and nuisances a modality sees."""
        return sum(self.attributes[group] for group in self.groups_of(modality)) + self.num_private[modality]


@dataclass(frozen=True)
class Moments:
    """Clips, or segments of videos, before they are rendered.

    Args:
        attributes: group -> (rows, attributes) true values; no modality sees them without its noise.
        video: (rows, width) what video sees.
        audio: (rows, width) what audio sees.
        text: (rows, captions, width) what the writer of each caption sees.
    """

    attributes: Mapping[str, np.ndarray]
    video: Float[np.ndarray, "rows width"]
    audio: Float[np.ndarray, "rows widtha"]
    text: Float[np.ndarray, "rows captions widtht"]


def draw_moments(
    signal: SignalConfig,
    seed: int,
    purpose: str,
    owners: Int[np.ndarray, " rows"],
    *,
    topic: float = 0.0,
    topics: str | None = None,
    num_captions: int = 1,
) -> Moments:
    """Draw clips; row i does not depend on the rows after it.

    Args:
        signal: the signal.
        seed: seed of the corpus.
        purpose: what the clips are for; another purpose, other clips.
        owners: (rows,) number of the video each clip is cut from.
        topic: share of the variance of every attribute that the clips of one video have in common.
        topics: purpose under which what they have in common is drawn, so that others can draw it too; None: `purpose`.
        num_captions: captions of each clip, each seen through its own noise and nuisances.
    """
    number, num_videos = len(owners), int(owners.max()) + 1 if len(owners) else 0

    def draw(what: str, *shape: int, under: str = purpose) -> np.ndarray:
        return numpy_generator(seed, f"generated/{under}/{what}").standard_normal(shape)

    attributes = {}
    for group, width in signal.attributes.items():
        own = draw(f"clip/{group}", number, width)
        common = draw(f"topic/{group}", num_videos, width, under=topics or purpose)
        attributes[group] = np.sqrt(1 - topic) * own + np.sqrt(topic) * common[owners]

    def see(name: str, times: int) -> np.ndarray:
        parts = []
        for group in signal.groups_of(name):
            strength, noise = signal.strength[group], signal.noise[name]
            blur = draw(f"noise/{name}/{group}", number, times, signal.attributes[group])
            parts.append((strength * attributes[group][:, None] + noise * blur) / np.hypot(strength, noise))
        return np.concatenate([*parts, draw(f"private/{name}", number, times, signal.num_private[name])], axis=2)

    return Moments(attributes, see(VIDEO.name, 1)[:, 0], see(AUDIO.name, 1)[:, 0], see(TEXT.name, num_captions))

"""Names like those of videos on YouTube."""

from __future__ import annotations

from string import ascii_letters, digits

import numpy as np

from trichord.randomness import numpy_generator

_CHARACTERS = np.array(list(ascii_letters + digits + "-_"))


def video_ids(number: int, seed: int, purpose: str) -> list[str]:
    """Return names of 11 characters, all different; more names do not change the first ones."""
    generator = numpy_generator(seed, f"generated/{purpose}/names")
    found: dict[str, None] = {}
    while len(found) < number:
        found["".join(generator.choice(_CHARACTERS, 11))] = None
    return list(found)

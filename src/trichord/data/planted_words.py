"""Readable captions for the planted corpus: attributes that text takes part in, put into words."""

from __future__ import annotations

import numpy as np

# A low and a high word per attribute; an attribute near its middle is not mentioned, as people leave things out.
_SEEN = (
    ("dark", "bright"),
    ("red", "blue"),
    ("small", "large"),
    ("still", "moving"),
    ("near", "distant"),
    ("smooth", "rough"),
    ("empty", "crowded"),
    ("old", "new"),
)
_HEARD = (
    ("quiet", "loud"),
    ("low", "shrill"),
    ("slow", "fast"),
    ("steady", "halting"),
    ("muffled", "clear"),
    ("humming", "ringing"),
    ("lone", "echoing"),
    ("dry", "splashing"),
)
_SUBJECTS = ("dog", "child", "car", "bird", "band", "crowd", "train", "river")
_UNCERTAIN = 0.4
_SPOKEN = 5


def caption(seen: np.ndarray, heard: np.ndarray, everywhere: np.ndarray) -> str:
    """Compose one caption.

    Args:
        seen: attributes that text shares with video only, in units of their standard deviation.
        heard: attributes that text shares with audio only.
        everywhere: attributes that all three share; the signs of the first three choose the subject.
    """
    signs = [int(value > 0) for value in everywhere[:3]]
    subject = _SUBJECTS[sum(sign << place for place, sign in enumerate(signs))] if signs else "scene"
    looks = " ".join(_words(seen, _SEEN))
    sounds = ", ".join(_words(heard, _HEARD))
    return f"a {looks + ' ' if looks else ''}{subject}" + (f" with a {sounds} sound" if sounds else "")


def _words(values: np.ndarray, vocabulary: tuple[tuple[str, str], ...]) -> list[str]:
    pairs = zip(values.tolist()[:_SPOKEN], vocabulary, strict=False)
    return [words[int(value > 0)] for value, words in pairs if abs(value) > _UNCERTAIN]

"""The planted corpora by name, each made to show one thing."""

from __future__ import annotations

from collections.abc import Mapping

from trichord.data.planted import PlantedConfig
from trichord.data.planted_classes import PlantedClassesConfig, ViewConfig
from trichord.data.planted_routes import PLANTINGS

BRIDGED = PlantedConfig(
    num_items={"train": 2400, "val": 300, "test": 500},
    attributes={"VAT": 14},
    strength={"VAT": 1.0},
    decay=0.9,
    apart={"VT": 0.97},
)
"""Text and video hardly ever meet where it is learnt from: 71 items show both, 1,240 show text with audio and 1,231
video with audio. All three share the same attributes, so what text and video have in common has to come by way of
audio. Text to video on "test", R@10 in per cent, seeds 0 to 2: text and video alone (order VT) reach 17 to 18 with the
recipe `planted` and 35 to 40 with `heads`; all three together (AVT) 71 to 74 and 74 to 75."""

CORPORA: Mapping[str, PlantedConfig] = {"winners": PlantedConfig(), **PLANTINGS, "bridged": BRIDGED}
"""Name -> settings. "winners" is the corpus of the demo, where every task has an order that must win it."""

COMPLEMENTARY = PlantedClassesConfig(
    bits=4,
    views={"video": ViewConfig(bits=(0, 1)), "audio": ViewConfig(bits=(2, 3))},
)
"""Video tells which of four groups an item is of, audio which of its four members; either alone is right for one item
in four at best."""

REDUNDANT = PlantedClassesConfig(
    bits=3,
    views={"video": ViewConfig(bits=(0, 1, 2), strength=1.8), "audio": ViewConfig(bits=(0, 1, 2), strength=1.8)},
)
"""Video and audio tell the same. Together they only average their noise."""

CONFLICTING = PlantedClassesConfig(
    bits=3,
    views={
        "video": ViewConfig(bits=(0, 1, 2), strength=3.0, conflict={"val": 0.15, "test": 0.15}),
        "audio": ViewConfig(bits=(0, 1, 2), strength=1.9, folds=2),
    },
)
"""Video is strong and audio weak, and joint learning under-trains audio.

Video shows the class plainly, in directions with unlike means, and for every item that is learnt from it is right: some
steps after the start the joint model has explained them all. The gradient of the cross-entropy with respect to audio's
logits is the error of the joint answer, so from there on next to nothing arrives in audio's encoder. Audio shows every
bit as an exclusive or of two directions, which alone have no mean to go by: learning it takes many steps, and these
are the ones that are missing. An expert of audio, whose error stays large until it has learnt them, gets there. It pays
off where video is wrong: it shows another class for 15 % of "val" and "test". There what audio knows decides, and
validation can tell how far to trust it. What is learnt from cannot, as video is never wrong there: MMLoRA's second
stage, too, comes to rely on video. docs/results.md has what it came to."""

LABELS = PlantedClassesConfig(
    bits=6,
    several=True,
    views={
        "video": ViewConfig(bits=(0, 1, 2), strength=1.6, missing=0.05),
        "audio": ViewConfig(bits=(2, 3, 4), strength=1.6, missing=0.2),
        "text": ViewConfig(bits=(0, 3, 5), strength=1.6, missing=0.3),
    },
)
"""Six classes, of which an item has any number. Each of "c1", "c4" and "c5" is shown by one modality only (video,
audio, text), each of the others by two; and items lack modalities."""

CLASS_CORPORA: Mapping[str, PlantedClassesConfig] = {
    "complementary": COMPLEMENTARY,
    "redundant": REDUNDANT,
    "conflicting": CONFLICTING,
    "labels": LABELS,
}
"""Name -> settings of the corpora to classify; their label column is "class", that of "labels" is "classes"."""

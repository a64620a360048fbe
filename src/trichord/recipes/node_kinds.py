"""What the peers of a search may be, read off the data and the task."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from trichord.data import DatasetSpec
from trichord.graphs.graph import NodeConfig
from trichord.modality import all_pairs, parse_task, unspell
from trichord.recipes.node_models import CLASSIFIERS, VARIANTS

PICTURES = "image"


def node_kinds(spec: DatasetSpec, task: str, recipe: str = "heads") -> tuple[NodeConfig, ...]:
    """Return what the peers of a search may be; the first is the target's own kind.

    For retrieval: the target's sides, every other two modalities, text with all others where there are several, the
    target's sides within a model of all modalities, and the target's sides by other networks. A pair stands so that it
    shares the target's left or right side. For classes: every network on the target's modalities, the convolutional one
    on square images, which is what a modality called "image" holds.

    Raises:
        ConfigError: the task is none of these data.
    """
    known = tuple(entry.modality for entry in spec.modalities)
    if is_class_task(task):
        letters, _, label = task.partition(">")
        left = unspell(letters, known)
        widths = {entry.modality.name: entry.dim for entry in spec.modalities}
        pictures = left == (PICTURES,) and isqrt(widths[PICTURES]) ** 2 == widths[PICTURES]
        names = [name for name in CLASSIFIERS if pictures or name != "convolution"]
        return tuple(NodeConfig(role="peer", left=left, label=label, model=name) for name in names)
    asked = parse_task(task, known)
    own = NodeConfig(role="peer", left=asked.query, right=asked.gallery)
    sides = [(pair.left, pair.right) for pair in all_pairs([modality.name for modality in known])]
    if len(known) > 2:
        sides.append((asked.query, tuple(m.name for m in known if m.name not in asked.query)))
    found = [own]
    for left, right in sides:
        if {left, right} == {asked.query, asked.gallery}:
            continue
        turned = right == asked.query or left == asked.gallery
        left, right = (right, left) if turned else (left, right)
        found.append(NodeConfig(role="peer", left=left, right=right))
    everything = "".join(modality.letter for modality in known)
    if len(known) > 2:
        found.append(replace(own, order=everything))
    if recipe == "heads":
        found += [replace(own, model=name) for name in VARIANTS]
    return tuple(found)


def is_class_task(task: str) -> bool:
    """Whether a task asks for a label rather than for other modalities: its right side is no row of capitals."""
    gallery = task.partition(">")[2].replace("+", "")
    return not (gallery.isupper() and gallery.isalpha())

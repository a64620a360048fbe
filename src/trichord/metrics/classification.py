"""Classification by the names of classes: each item is compared with the vector of every class's name, once.

Similarity is the dot product of the vectors that are given; for the cosine, bring them to length one first. MCN's
zero-shot classification of UCF-101 and HMDB-51: items are embedded by video, or as the sum of video and audio. Where
several names score the same, the order among them is random and averaged out exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from trichord.errors import ProtocolError
from trichord.metrics.expected import expected_recall
from trichord.metrics.ranks import RankCounts, count_ranks
from trichord.shapes import Float, Int, Tensor


@dataclass(frozen=True)
class Classification:
    """How items were classified.

    Args:
        counts: the names above and beside each item's own.
        classes: (items,) number of each item's class.
    """

    counts: RankCounts
    classes: Int[np.ndarray, " items"]

    def right(self, best: int = 1) -> Float[np.ndarray, " items"]:
        """Return each item's probability in [0, 1] that its class is among the `best` highest names."""
        return expected_recall(self.counts, best)

    def accuracy(self, best: int = 1) -> float:
        """Return the share in percent of items whose class is among the `best` highest names."""
        return 100.0 * float(self.right(best).mean())

    def mean_class_accuracy(self, best: int = 1) -> float:
        """Return the accuracy in percent of each class that has items, averaged over these classes."""
        right = self.right(best)
        return 100.0 * float(np.mean([right[self.classes == number].mean() for number in np.unique(self.classes)]))


def classify_by_name(
    items: Float[Tensor, "items dim"], names: Float[Tensor, "classes dim"], classes: Int[Tensor, " items"]
) -> Classification:
    """Compare items with the names of classes.

    Args:
        items: one vector per item. An item without a vector is left out by the caller, who reports how many there were.
        names: one vector per class, in the order of the classes' numbers.
        classes: the class of each item, from 0.

    Raises:
        ProtocolError: there is no item, a class has no name, or a vector is zero or not finite.
    """
    if not len(items):
        raise ProtocolError("there is no item to classify; the split holds none with the modality")
    wrong = (classes < 0) | (classes >= len(names))
    if bool(wrong.any()):
        raise ProtocolError(
            f"classes are numbered 0 to {len(names) - 1}, one vector of `names` each, found {int(classes[wrong][0])}"
        )
    numbers = torch.arange(len(names), device=classes.device)
    return Classification(count_ranks(items, names, classes, numbers), classes.cpu().numpy())

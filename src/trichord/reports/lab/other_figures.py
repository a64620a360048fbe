"""Figures of whole-video retrieval and step localisation that are quoted, never measured here.

Every figure says how far it can be trusted and where it was read, as in `figures`.
"""

from __future__ import annotations

from dataclasses import dataclass

from trichord.reports.lab.figures import Check

SOURCE = "tables of later papers that repeat that of MCN: HyperRep (ICLR 2024 submission) and Norton (ICLR 2024)"


@dataclass(frozen=True)
class OtherFigure:
    """One published row.

    Args:
        method: name, with the backbone where it was given.
        values: R@1, R@5 and R@10 of whole videos, or the one average recall of steps; in percent.
        check: how far it can be trusted, a key of `figures.CHECKS`.
        source: where it was read.
    """

    method: str
    values: tuple[float, ...]
    check: Check = "quoted"
    source: str = SOURCE


WHOLE_VIDEO_NOTE = "YouCook2, 436 videos, text to video, caption average, zero-shot; R@1/R@5/R@10."
WHOLE_VIDEO: tuple[OtherFigure, ...] = (
    OtherFigure("MIL-NCE", (43.1, 68.6, 79.1)),
    OtherFigure("HT100M", (46.6, 74.3, 83.7)),
    OtherFigure("MCN", (53.4, 75.0, 81.4)),
    OtherFigure("VideoCLIP", (74.5, 94.5, 97.9)),
)

STEPS_NOTE = (
    "CrossTask, average recall. Which of the two averagings a row takes is not recorded: the code of MCN takes the "
    "mean of videos, that of CrossTask pools."
)
STEPS: tuple[OtherFigure, ...] = (
    OtherFigure("CrossTask", (31.6,)),
    OtherFigure("Miech et al., HowTo100M", (33.6,)),
    OtherFigure("MIL-NCE (same features as MCN)", (33.2,)),
    OtherFigure("MCN", (35.1,)),
    OtherFigure("MIL-NCE (I3D)", (36.4,)),
    OtherFigure("ActBERT", (37.1,)),
    OtherFigure("ActBERT with Faster-RCNN regions", (41.4,)),
    OtherFigure("MIL-NCE (S3D-G)", (40.5,)),
    OtherFigure("VideoCLIP", (47.3,)),
    OtherFigure("HyperRep", (50.7,)),
)

"""Figures that are quoted, never measured here: the lab's two rounds and the rows papers publish.

Every figure says where it was read. R@1, R@5 and R@10 in percent, text to video. A figure that was not found is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Check = Literal["quoted", "recalled", "arithmetic"]
CHECKS: dict[Check, str] = {
    "quoted": "read in a paper or in a later paper that repeats it",
    "recalled": "from memory, not checked",
    "arithmetic": "follows from the number of clips",
}
METRICS = ("R@1", "R@5", "R@10")


@dataclass(frozen=True)
class LabFigure:
    """One row of the lab's table.

    Args:
        round: "thesis" or "additional".
        order: spelled order.
        written: R@1, R@5, R@10 as the lab wrote them.
    """

    round: Literal["thesis", "additional"]
    order: str
    written: tuple[str, str, str]

    @property
    def recalls(self) -> tuple[float, ...]:
        """The figures as numbers."""
        return tuple(map(float, self.written))


@dataclass(frozen=True)
class PublishedFigure:
    """One published row.

    Args:
        method: name, with the backbone.
        recalls: R@1, R@5, R@10; None where not found.
        check: how far it can be trusted.
        source: where it was read.
    """

    method: str
    recalls: tuple[float | None, float | None, float | None]
    check: Check = "quoted"
    source: str = "tables of HyperRep (ICLR 2024 submission) and Norton (ICLR 2024)"


ROUNDS: dict[str, str] = {"thesis": "thesis round", "additional": "additional experiment"}
LAB_NOTE = (
    "The lab's rows are its own records of text-to-video retrieval. Their regime (zero-shot or trained on these "
    "clips), their seeds, their exact settings and whether sound was part of the video side are not recorded; the "
    "thesis round is known to have been spoilt by too few epochs and probably a wrong setting."
)
PUBLISHED_NOTE = (
    "Published rows are zero-shot: trained on HowTo100M or other data, never on these clips. They are quoted, not "
    "measured here, and have no intervals."
)

LAB: dict[str, tuple[LabFigure, ...]] = {
    "youcook2": (
        LabFigure("thesis", "AV_T", ("1.61", "5.97", "9.43")),
        LabFigure("thesis", "VT_A", ("1.10", "5.13", "7.13")),
        LabFigure("thesis", "AT_V", ("5.16", "11.3", "15.3")),
        LabFigure("additional", "AV_T", ("1.26", "4.18", "6.96")),
        LabFigure("additional", "VT_A", ("6.84", "16.2", "22.6")),
        LabFigure("additional", "AT_V", ("8.06", "17.3", "21.6")),
    ),
    "msrvtt": (
        LabFigure("thesis", "AV_T", ("0.18", "0.92", "1.63")),
        LabFigure("thesis", "VT_A", ("0.14", "0.53", "1.14")),
        LabFigure("thesis", "AT_V", ("0.14", "0.61", "1.35")),
        LabFigure("additional", "AV_T", ("2.69", "8.06", "14.05")),
        LabFigure("additional", "VT_A", ("6.20", "14.5", "20.1")),
        LabFigure("additional", "AT_V", ("1.65", "5.27", "8.37")),
    ),
}

PUBLISHED: dict[str, tuple[PublishedFigure, ...]] = {
    "youcook2": (
        PublishedFigure("random, 3,350 clips", (0.03, 0.15, 0.3)),
        PublishedFigure("Miech et al., HowTo100M (R152+RX101; V, T)", (6.1, 17.3, 24.8)),
        PublishedFigure("MIL-NCE (R152+RX101, frozen)", (8.1, 23.3, 32.3), "recalled", "general knowledge"),
        PublishedFigure("ActBERT (R101+Res3D)", (9.6, 26.7, 38.0)),
        PublishedFigure("MMV FAC (TSM-50x2, trained)", (11.7, None, 45.4)),
        PublishedFigure("MIL-NCE (I3D-G, trained)", (11.4, 30.6, 42.0), "recalled", "general knowledge"),
        PublishedFigure("MIL-NCE (S3D-G, trained)", (15.1, 38.0, 51.2)),
        PublishedFigure("MCN (R152+RX101; V, A, T)", (18.1, 35.5, 45.2)),
        PublishedFigure("Everything at Once", (19.8, 42.9, 55.1)),
        PublishedFigure("TACo", (19.9, 43.2, 55.7)),
        PublishedFigure("VT-TWINS", (9.7, 27.0, 38.8)),
        PublishedFigure("TAN", (20.1, 45.5, 59.5)),
        PublishedFigure("VideoCLIP", (22.7, 50.4, 63.1)),
        PublishedFigure("TempCLR", (23.3, 51.0, 64.5)),
        PublishedFigure("Norton", (24.2, 51.9, 64.1)),
        PublishedFigure("HowToCaption dual encoder (ViT-B)", (13.4, None, 44.1)),
    ),
    "msrvtt": (
        PublishedFigure("random, 1,000 clips", (0.1, 0.5, 1.0), "arithmetic", "1, 5 and 10 of 1,000"),
        PublishedFigure("Miech et al., HowTo100M (R152+RX101; V, T)", (7.2, 19.2, 28.0)),
        PublishedFigure("MDR (R152)", (8.4, 22.0, 30.4)),
        PublishedFigure("MDR (R152+RX101)", (8.0, 21.3, 29.3)),
        PublishedFigure("MIL-NCE (R152+RX101, frozen)", (8.4, 23.2, 32.4)),
        PublishedFigure("ActBERT (R101+Res3D)", (8.6, 23.4, 33.1)),
        PublishedFigure("SSB (R(2+1)D-34+R152)", (8.7, 23.0, 31.1)),
        PublishedFigure("MMV FAC (TSM-50x2, trained)", (9.3, 23.0, 31.1)),
        PublishedFigure("MIL-NCE (I3D-G, trained)", (9.4, 22.2, 30.0)),
        PublishedFigure("MIL-NCE (S3D-G, trained)", (9.9, 24.0, 32.4)),
        PublishedFigure("MCN (R152+RX101; V, A, T)", (10.5, 25.2, 33.8)),
        PublishedFigure("HyperRep (R152+RX101)", (11.6, 26.3, 37.3)),
        PublishedFigure("Everything at Once", (9.9, 24.0, 32.6)),
        PublishedFigure("VideoCLIP", (10.4, 22.2, 30.0)),
        PublishedFigure("Norton", (10.7, 24.1, 31.6)),
        PublishedFigure("Frozen in Time (WebVid+CC)", (23.2, 44.6, 56.6)),
        PublishedFigure("HowToCaption dual encoder (ViT-B)", (37.6, None, 73.3)),
    ),
}


def show_quoted(value: float | None) -> str:
    """Write a published figure with one decimal, or with two where it was published so."""
    if value is None:
        return "–"
    return f"{value:.1f}" if round(value, 1) == value else f"{value:.2f}"

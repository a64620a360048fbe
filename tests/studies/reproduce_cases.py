"""Small published files for tests of the reproduction."""

from __future__ import annotations

from pathlib import Path

from trichord.data.generated import (
    HowTo100MConfig,
    MsrvttConfig,
    WordVectorsConfig,
    YouCook2Config,
    write_howto100m,
    write_msrvtt,
    write_word_vectors,
    write_youcook2,
)

WORDS = "GoogleNews-vectors-negative300.bin"


def write_all(folder: Path) -> Path:
    """Write YouCook2, MSR-VTT and HowTo100M in a few clips each, and the word vectors beside them."""
    write_word_vectors(folder / WORDS, WordVectorsConfig(num_fillers=10))
    write_youcook2(folder / "youcook2", YouCook2Config(num_clips={"train": 96, "val": 40}, frames=(16, 24)))
    write_msrvtt(
        folder / "msrvtt",
        MsrvttConfig(num_train=80, num_train_1k_a=140, num_test=40, silent=0.1, rows=(2, 3), frames=(16, 24)),
    )
    write_howto100m(folder / "howto100m", HowTo100MConfig(num_videos=40, seconds=(25, 35)))
    return folder

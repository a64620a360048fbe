"""`trichord import youcook2`: youcook_train_audio.pkl and youcook_val_audio.pkl, as MCN and AVLnet read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trichord.data.importers.clips import ClipFile, ClipFormat, PublishedImport, import_clips
from trichord.data.packing import PackReport

TRAIN_FILE, TEST_FILE = "youcook_train_audio.pkl", "youcook_val_audio.pkl"
VIDEO_ID_LENGTH = 11
FULL_RESOLUTION = "full_resolution"


@dataclass(frozen=True, kw_only=True)
class YouCook2Import(PublishedImport):
    """YouCook2 in the published pickles: training clips, and the validation clips that papers test on.

    Splits: "train" and "val" (held out of training) from youcook_train_audio.pkl, "test" from youcook_val_audio.pkl.
    The first 11 characters of a clip's id are its video. Where clips carry the bare id of their video they are numbered
    in the order of the file. The label full_resolution says whether a clip has features of full resolution.

    Args:
        test_only: there is no training file, or it is not wanted.
    """

    test_only: bool = False


def import_youcook2(config: YouCook2Import) -> PackReport:
    """Import YouCook2.

    Raises:
        DataError: a file is missing, broken, or asks for code to be run; or too many entries are unusable.
        ConfigError: `out` exists.
    """
    train = [] if config.test_only else [ClipFile(config.features / TRAIN_FILE, FORMAT, "train")]
    return import_clips(
        config,
        "youcook2",
        [*train, ClipFile(config.features / TEST_FILE, FORMAT, "test")],
        description="YouCook2 clips as published with MCN and AVLnet",
    )


def video_of(clip: str) -> str:
    """Return the video of a clip: the first 11 characters of its id."""
    return clip[:VIDEO_ID_LENGTH]


def _columns(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {FULL_RESOLUTION: int("2d_full" in entry and "3d_full" in entry)}


def _is_bare(clip: str) -> bool:
    return len(clip) == VIDEO_ID_LENGTH


FORMAT = ClipFormat(captions="caption", video=("2d", "3d"), source=video_of, columns=_columns, numbered=_is_bare)
YouCook2Import.builds = import_youcook2

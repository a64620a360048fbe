"""`trichord import lsmdc`: lsmdc_train.pkl and lsmdc_test.pkl, as MCN and AVLnet read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trichord.data.importers.clips import ClipFile, ClipFormat, PublishedImport, import_clips
from trichord.data.packing import PackReport

TRAIN_FILE, TEST_FILE = "lsmdc_train.pkl", "lsmdc_test.pkl"
_TIME = r"\d\d\.\d\d\.\d\d\.\d+"
_CLIP = re.compile(rf"(?P<film>.+)_{_TIME}-{_TIME}(\.\w+)?")


@dataclass(frozen=True, kw_only=True)
class LsmdcImport(PublishedImport):
    """LSMDC in the published pickles: "train" and "val" (held out of training), and the 1,000 clips of "test".

    The film is the source of a clip: of 1004_Juno_00.00.32.167-00.00.37.564 it is 1004_Juno, so that no film lies in
    both "train" and "val". A clip whose id ends otherwise is a source of its own.

    Args:
        test_only: there is no training file, or it is not wanted.
    """

    test_only: bool = False


def film_of(clip: str) -> str:
    """Return the film of a clip: what stands before the times in its id."""
    named = _CLIP.fullmatch(clip)
    return clip if named is None else named["film"]


FORMAT = ClipFormat(captions="caption", video=("2d_pooled", "3d_pooled"), source=film_of)


def import_lsmdc(config: LsmdcImport) -> PackReport:
    """Import LSMDC.

    Raises:
        DataError: a file is missing, broken, or asks for code to be run; or too many entries are unusable.
        ConfigError: `out` exists.
    """
    train = [] if config.test_only else [ClipFile(config.features / TRAIN_FILE, FORMAT, "train")]
    return import_clips(
        config,
        "lsmdc",
        [*train, ClipFile(config.features / TEST_FILE, FORMAT, "test")],
        description="LSMDC clips as published with MCN and AVLnet",
    )


LsmdcImport.builds = import_lsmdc

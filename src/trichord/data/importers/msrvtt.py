"""`trichord import msrvtt`: the pickles of MSR-VTT clips that MCN and AVLnet read, and the list of the 1k test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trichord.data.importers.clips import ClipFile, ClipFormat, PublishedImport, import_clips
from trichord.data.importers.lists import read_list
from trichord.data.packing import PackedItem, PackReport, Quarantined, Record
from trichord.errors import ConfigError, DataError

TRAIN_FILES = {"7k": "msrvtt_train.pkl", "9k": "msrvtt_1k-A_train.pkl"}
TEST_FILE, LIST_FILE = "msrvtt_jsfusion_test.pkl", "msrvtt_1kA_test.csv"
SUBSET_PREFIX = "subset_"


@dataclass(frozen=True, kw_only=True)
class MsrvttImport(PublishedImport):
    """MSR-VTT in the published pickles, with the 1,000 clips of the JSFusion test.

    The published test pickle lacks the clips without sound (32 of 1,000). The list of the test names them, so that they
    stay items of the split "test", with a caption and neither video nor audio, and count as misses.

    Splits: "train" and "val" (held out of training), "test".

    Args:
        train: training clips: "7k" (msrvtt_train.pkl), "9k" (msrvtt_1k-A_train.pkl), or "none".
        test_list: list of the test clips, csv with the columns video_id and sentence; None takes msrvtt_1kA_test.csv
            beside the pickles.
        subset: "NAME=FILE": the label subset_NAME is 1 for clips the list FILE names (by video_id or id), else 0; for
            protocols on a part of the test, such as the 884 clips with audio captions.
    """

    train: Literal["7k", "9k", "none"] = "9k"
    test_list: Path | None = None
    subset: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for spelling in self.subset:
            name, equals, file = spelling.partition("=")
            if not (equals and name.isidentifier() and file):
                raise ConfigError(f"a subset is NAME=FILE, got {spelling!r}")


TRAIN_FORMAT = ClipFormat(captions="caption", video=("2d_pooled", "3d_pooled"), source=str)
TEST_FORMAT = ClipFormat(captions="eval_caption", video=("2d_pooled", "3d_pooled"), source=str)


def import_msrvtt(config: MsrvttImport) -> PackReport:
    """Import MSR-VTT.

    Raises:
        DataError: a file is missing, broken, or asks for code to be run; the test holds clips the list does not name;
            or too many entries are unusable.
        ConfigError: `out` exists.
    """
    listed = read_list(config.test_list or config.features / LIST_FILE)
    captions = dict(zip(listed.distinct("video_id"), listed.column("sentence"), strict=True))
    subset_files = {name: Path(file) for name, _, file in (entry.partition("=") for entry in config.subset)}
    subsets = {name: _read_subset(file, frozenset(captions)) for name, file in subset_files.items()}

    def labels(clip: str) -> dict[str, int]:
        return {f"{SUBSET_PREFIX}{name}": int(clip in clips) for name, clips in subsets.items()}

    def absent(seen: Mapping[str, str]) -> Iterator[Record]:
        tested = {clip for clip, place in seen.items() if place.startswith(TEST_FILE)}
        leaked = sorted(set(captions) & set(seen) - tested)
        if leaked:
            raise DataError(
                f"{len(leaked)} clips of the test are training clips too, for instance {leaked[0]!r}",
                file=config.features / seen[leaked[0]].partition("[")[0],
                remedy="train on a part without them, or give the list of this test (--test-list)",
            )
        strangers = sorted(tested - set(captions))
        if strangers:
            raise DataError(
                f"the test pickle holds {strangers[0]!r}, which the list of the test does not name; {len(strangers)} "
                "clips are so",
                file=listed.file,
                remedy="give the list of this test (--test-list)",
            )
        for clip, caption in captions.items():
            if clip not in tested:
                columns = {"source": clip, "captions": [caption], **labels(clip)}
                reason = f"not in {TEST_FILE} (the published file lacks clips without sound); it counts as a miss"
                yield Record(
                    f"{listed.file.name}:{clip}",
                    [PackedItem(clip, "test", columns)],
                    quarantined=[Quarantined(clip, reason)],
                )

    def with_labels(form: ClipFormat) -> ClipFormat:
        return ClipFormat(form.captions, form.video, form.source, lambda entry: labels(str(entry.get("id"))))

    files = [ClipFile(config.features / TEST_FILE, with_labels(TEST_FORMAT), "test")]
    if config.train != "none":
        training = config.features / TRAIN_FILES[config.train]
        files = [ClipFile(training, with_labels(TRAIN_FORMAT), "train"), *files]
    return import_clips(
        config,
        "msrvtt",
        files,
        absent=absent,
        lists=[listed.file, *subset_files.values()],
        description=f"MSR-VTT clips as published with MCN and AVLnet, training {config.train}, JSFusion 1k test",
    )


def _read_subset(file: Path, tested: frozenset[str]) -> frozenset[str]:
    listed = read_list(file)
    clips = frozenset(listed.distinct("video_id" if "video_id" in listed.rows[0] else "id"))
    if not clips & tested:
        raise DataError(
            f"none of the {len(clips)} clips is in the test, for instance {min(clips)!r}",
            file=file,
            remedy="give ids as the list of the test spells them",
        )
    return clips


MsrvttImport.builds = import_msrvtt

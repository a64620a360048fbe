"""`trichord import actions`: the pickles of UCF-101 and HMDB-51 clips that MCN classifies by the names of classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from trichord.data.importers.clips import PublishedImport, Seen, clips_header, held_out
from trichord.data.importers.entries import Parts, clip_vector, is_text, keys_of, log_mel, read_entries, spelled
from trichord.data.packing import PackedItem, Packer, PackReport, Quarantined, Record
from trichord.errors import ConfigError, DataError
from trichord.modality import AUDIO, VIDEO

CLASS = "class"
# HMDB-51's pickle misspells a class, and MCN mends it when it makes words of it.
MISSPELLED = {"claping": "clapping"}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GROUP = re.compile(r"(?P<source>.+_g\d+)_c\d+(\.\w+)?")


@dataclass(frozen=True, kw_only=True)
class ActionsImport(PublishedImport):
    """UCF-101 or HMDB-51: one item per clip, with the words of its class as caption.

    A clip's id is its `video`; its vector is made of 2d_pooled and 3d_pooled; its log-mel is taken where `has_audio`
    says that there is one. The label class is the class as written, and the caption the class in words:
    "ApplyEyeMakeup" becomes "apply eye makeup", "brush_hair" becomes "brush hair". Splits: "test" where `training` is
    false, else "train" or "val" (held out by the source). Clips v_CLASS_gNN_cNN of one group of UCF-101 are cut from
    one video, v_CLASS_gNN, which is their source; a clip of HMDB-51 is a source of its own.

    How accuracy is measured: a clip (V, or V and A) is compared with the text of every class, once, and is right where
    its own class scores highest; `trichord.metrics.classification` does it. Text-to-video recall over the clips
    themselves is another number, because all clips of a class have one caption.

    Args:
        name: which data set, and its name.
        files: the pickles, in the folder of features.
        lower_case: write captions in lower case; MCN does so for UCF-101, and HMDB-51 has no upper case.
    """

    name: Literal["ucf101", "hmdb51"]
    files: tuple[Path, ...]
    lower_case: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.files:
            raise ConfigError("name at least one pickle (--files)")


def import_actions(config: ActionsImport) -> PackReport:
    """Import UCF-101 or HMDB-51.

    Raises:
        DataError: a file is missing, broken, or asks for code to be run; or too many entries are unusable.
        ConfigError: `out` exists.
    """
    files = [config.features / file for file in config.files]
    for file in files:
        if not file.is_file():
            raise DataError("the file does not exist", file=file, remedy="put the published file there")
    wording = config.wording
    header = clips_header(config.name, wording, f"{config.name} clips as read by MCN, captioned by their class")
    dtypes = {VIDEO.name: np.dtype(np.float32), AUDIO.name: np.dtype(config.audio_dtype)}
    identity = config.identity([*files, config.words])
    with Packer(config.out, header, dtypes, wording, identity, overwrite=config.overwrite) as packer:
        for number, record in enumerate(_records(files, config)):
            if number >= packer.done:
                packer.add(record)
        return packer.finish(config.max_quarantined, progress=config.progress)


def class_words(name: str) -> str:
    """Return the name of a class in words: cut at underscores and before the capitals inside it."""
    return " ".join(_HUMP.sub(" ", MISSPELLED.get(name, name)).replace("_", " ").split())


def action_record(entry: Mapping[str, Any], place: str, seen: Seen, config: ActionsImport) -> Record:
    """Make the item of an entry. Without video or audio it stays; without id, class or `training` it is left out."""
    name, label, training = place, "", False
    try:
        name = _text(entry, "video")
        label, training = _text(entry, CLASS), _flag(entry, "training")
        if not class_words(label):
            raise DataError(f"{CLASS!r} has no words: {spelled(label)}", remedy="mend it")
    except DataError as error:
        return Record(place, quarantined=[Quarantined(name, error.rule)])
    if name in seen.places:
        return Record(place, quarantined=[Quarantined(name, f"its id was there before, at {seen.places[name]}")])
    seen.places[name] = place
    parts = Parts(name)
    vector = parts.take("video", clip_vector, entry, ("2d_pooled", "3d_pooled"))
    heard = parts.take("audio", _flag, entry, "has_audio")
    frames = parts.take("audio", log_mel, entry, "audio", np.dtype(config.audio_dtype)) if heard else None
    source = name
    if config.name == "ucf101":
        group = _GROUP.fullmatch(name)
        if group is None:
            reason = "its id does not end in _gNN_cNN, so that its group is not known; it is a source of its own"
            parts.quarantined.append(Quarantined(name, reason))
        else:
            source = group["source"]
    split = "test" if not training else "val" if held_out(source, config.validation) else "train"
    caption = class_words(label).lower() if config.lower_case else class_words(label)
    features = {} if vector is None else {VIDEO.name: [vector]}
    features |= {} if frames is None else {AUDIO.name: [frames]}
    columns = {"source": source, "captions": [caption], CLASS: label}
    return Record(place, [PackedItem(name, split, columns, features)], quarantined=parts.quarantined)


def _records(files: list[Path], config: ActionsImport) -> Iterator[Record]:
    seen = Seen()
    for file in files:
        hidden = None if config.progress else True
        for row, entry in tqdm(read_entries(file), desc=file.name, unit="clip", disable=hidden):
            yield action_record(entry, f"{file.name}[{row}]", seen, config)


def _text(entry: Mapping[str, Any], key: str) -> str:
    found = entry.get(key)
    if not is_text(found) or not found.strip():
        held = f"it is {spelled(found)}" if key in entry else f"there is none; keys: {keys_of(entry)}"
        raise DataError(f"{key!r} of a clip is a string that is not empty; {held}", remedy="mend it")
    return found


def _flag(entry: Mapping[str, Any], key: str) -> bool:
    found = entry.get(key)
    if not isinstance(found, (bool, int, float, np.generic)) or found not in (0, 1):
        held = f"it is {spelled(found)}" if key in entry else f"there is none; keys: {keys_of(entry)}"
        raise DataError(f"{key!r} of a clip is true or false (1 or 0); {held}", remedy="mend it")
    return bool(found)


ActionsImport.builds = import_actions

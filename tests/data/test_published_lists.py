"""The lists that papers published, as they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from published_maker import dump, msrvtt_entry, word_file

from trichord.data.importers.lists import read_list
from trichord.data.importers.msrvtt import MsrvttImport, import_msrvtt
from trichord.data.video_lists import read_video_list

FOLDER = Path(os.environ.get("TRICHORD_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "captions"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the published lists are not at {FOLDER}"),
]


def test_the_validation_clips_of_youcook2():
    listed = read_list(FOLDER / "youcook2_validation_clips.csv")
    assert len(listed.rows) == 3350
    seconds = np.array([[float(row["start"]), float(row["end"])] for row in listed.rows])
    assert (seconds[:, 0] < seconds[:, 1]).all()
    assert all(row["text"].strip() for row in listed.rows)
    videos = set(listed.column("video_id"))
    assert {len(name) for name in videos} == {11}
    assert videos == set(read_video_list(str(listed.file)).ids)


def test_the_test_clips_of_msrvtt():
    listed = read_list(FOLDER / "msrvtt_1kA_test.csv")
    clips = listed.distinct("video_id")
    assert len(clips) == len(listed.column("sentence")) == 1000
    lines = read_list(FOLDER / "msrvtt_1kA.jsonl.gz").rows
    test = {row["video_id"]: row for row in lines if row["split"].startswith("test")}
    assert set(test) == set(clips)
    assert sum(bool(row.get("audio_caption")) for row in test.values()) == 884
    assert len(lines) - len(test) == 9000


def test_importing_with_the_published_list(tmp_path):
    listed = read_list(FOLDER / "msrvtt_1kA_test.csv")
    names, sentences = listed.distinct("video_id"), listed.column("sentence")
    some = {name: sentence for name, sentence in zip(names, sentences, strict=True) if int(name[5:]) % 40 == 0}
    entries = [msrvtt_entry(name, eval_caption=sentence) for name, sentence in some.items()]
    dump(tmp_path / "msrvtt_jsfusion_test.pkl", entries)
    lines = read_list(FOLDER / "msrvtt_1kA.jsonl.gz").rows
    heard = [row["video_id"] for row in lines if row["split"].startswith("test") and row.get("audio_caption")]
    (tmp_path / "heard.txt").write_text("\n".join(heard) + "\n")
    words = sorted({word for sentence in sentences for word in sentence.split()})
    report = import_msrvtt(
        MsrvttImport(
            features=tmp_path,
            out=tmp_path / "d",
            words=word_file(tmp_path, words),
            train="none",
            test_list=listed.file,
            subset=(f"heard={tmp_path / 'heard.txt'}",),
            progress=False,
        )
    )
    dataset = report.dataset
    assert dataset.spec.splits == {"test": 1000}
    assert 10 < len(some) < 50
    assert set(np.array(dataset.ids)[dataset.has("video")]) == set(some)
    assert {dataset.ids[row]: dataset.captions(row) for row in range(1000)} == {
        name: [sentence] for name, sentence in zip(names, sentences, strict=True)
    }
    assert dataset.has("text").all()
    assert sum(dataset.label("subset_heard")) == 884
    assert len(report.quarantined) == 1000 - len(some)

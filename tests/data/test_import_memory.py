"""What an import needs of memory, measured in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from published_maker import dump, narrated_video, said, word_file, youcook2_entry

STATUS = Path("/proc/self/status")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process's memory is read from /proc/self/status"),
]

# Not ru_maxrss: a child begins it with what its parent held.
MEASURE = """
from pathlib import Path
from trichord.data.importers.howto100m import HowTo100MImport, import_howto100m
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2

def peak():
    return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

def settings(features, out):
    features = Path(features)
    return {"features": features, "words": features / "words.bin", "out": Path(out), "progress": False}

def howto100m(features, out):
    import_howto100m(HowTo100MImport(videos=Path(features) / "list.csv", **settings(features, out)))

def youcook2(features, out):
    import_youcook2(YouCook2Import(test_only=True, **settings(features, out)))

"""


def measured(script: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE + script],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def write_tree(folder: Path, number: int) -> int:
    """Many names of the same three archives; returns the bytes of features."""
    folder.mkdir()
    narrated_video(folder, "first", 120)
    rows = []
    for k in range(number):
        name = f"video{k:06d}"
        place = folder / "video_0" / name
        place.mkdir()
        for stream in ("2d", "3d", "spec"):
            os.link(folder / "video_0" / "first" / f"first_{stream}.npz", place / f"{name}_{stream}.npz")
        rows.append(f"None/video_0/{name}")
    (folder / "list.csv").write_text("path\n" + "".join(f"{row}\n" for row in rows))
    told = said(*[(4.0 * k, 4.0 * k + 4, "stir the onions") for k in range(30)])
    dump(folder / "caption.pickle", {row.rpartition("/")[2]: told for row in rows})
    word_file(folder)
    return number * sum(file.stat().st_size for file in (folder / "video_0" / "first").iterdir())


def test_narrated_video_streams(tmp_path):
    peaks, sizes = [], []
    for number in (20, 220):
        sizes.append(write_tree(tmp_path / str(number), number))
        out = tmp_path / f"d{number}"
        peaks += measured(f"howto100m({str(tmp_path / str(number))!r}, {str(out)!r}); print(peak())")
    assert sizes[1] - sizes[0] > 430e6
    assert peaks[1] - peaks[0] < 40e6


def test_a_pickle_of_clips_takes_little_more_than_its_size(tmp_path):
    random = np.random.default_rng(0)
    entries = [
        youcook2_entry(f"clip{k:07d}_0", k, audio=torch.from_numpy(random.random((40, 2000), dtype=np.float32)))
        for k in range(1000)
    ]
    size = dump(tmp_path / "youcook_val_audio.pkl", entries, 3).stat().st_size
    word_file(tmp_path)
    folders = f"{str(tmp_path)!r}, {str(tmp_path / 'd')!r}"
    base, peak = measured(f"print(peak()); youcook2({folders}); print(peak())")
    assert size > 320e6
    assert peak - base < 1.25 * size + 60e6

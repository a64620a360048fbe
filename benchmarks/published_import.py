"""Peak memory of `trichord import youcook2` on a pickle as large as YouCook2's, beside plain `pickle.load`.

Run as a module it does one of the two in a process of its own and prints one line of JSON: seconds and peak bytes; it
writes the files, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.evaluation_memory import peak_bytes
from benchmarks.outcome import Outcome
from benchmarks.timing import seconds
from trichord.cli.main import main as trichord
from trichord.data.generated import WordVectorsConfig, YouCook2Config, write_word_vectors, write_youcook2
from trichord.data.importers.youcook2 import TEST_FILE
from trichord.studies.published_data import WORDS_FILE

LIMIT, FRAMES = 1.5, 2000


def published_import(quick: bool) -> Outcome:
    """Measure the peak resident memory of the whole process of either side against the size of the file."""
    clips = 30 if quick else 3350
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_apart("write", folder, clips)
        size = pickle_of(folder).stat().st_size
        imported, loaded, idle = (run_apart(what, folder) for what in ("import", "load", "nothing"))
    ratio = imported["peak"] / size
    extra = (
        f"peak {imported['peak'] / 1e9:.2f} GB, {ratio:.2f} times the file of {size / 1e9:.2f} GB, of which "
        f"{idle['peak'] / 1e9:.2f} GB before anything is read; pickle.load alone {loaded['peak'] / 1e9:.2f} GB, "
        f"{loaded['peak'] / size:.2f} times, in {loaded['seconds']:.1f} s; the import packs, looks words up and checks"
    )
    setting = f"{clips:,} clips, 2 x 2048 and 40 x {FRAMES:,} mel, float32, own process"
    target = f"<= {LIMIT:g}x file"
    return Outcome("published import", setting, None, imported["seconds"], None, extra, target, ratio <= LIMIT)


def pickle_of(folder: Path) -> Path:
    """Return the pickle that is imported."""
    return folder / TEST_FILE


def run_apart(what: str, folder: Path, clips: int = 0) -> dict[str, float]:
    """Write (so many clips), import, load or do nothing in a new process; return its seconds and its peak bytes."""
    command = [sys.executable, "-m", "benchmarks.published_import", what, str(folder), "--clips", str(clips)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"{what} of a published pickle in a process of its own failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def write_files(folder: Path, clips: int) -> None:
    """Write the pickle as Python 3.6 did, and word vectors."""
    sizes = {"train": 1, "val": clips}
    write_youcook2(folder, YouCook2Config(num_clips=sizes, frames=(FRAMES, FRAMES), protocol=3))
    write_word_vectors(folder / WORDS_FILE, WordVectorsConfig())


def import_pickle(folder: Path) -> None:
    """Import the pickle by the command that users give; what it prints is left out."""
    arguments = ["import", "youcook2", "--features", str(folder), "--out", str(folder / "dataset")]
    with contextlib.redirect_stdout(sys.stderr):
        trichord([*arguments, "--words", str(folder / WORDS_FILE), "--test-only", "--no-progress"])


def load_pickle(folder: Path) -> object:
    """Load the pickle the plain way, which runs whatever it asks for; it was written here."""
    with open(pickle_of(folder), "rb") as stream:
        return pickle.load(stream)


def main() -> None:
    """Do the work of the process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    work: dict[str, Callable[[Path], object]] = {
        "write": lambda folder: write_files(folder, arguments.clips),
        "import": import_pickle,
        "load": load_pickle,
        "nothing": lambda folder: None,
    }
    parser.add_argument("what", choices=tuple(work))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int)
    arguments = parser.parse_args()
    took = seconds(lambda: work[arguments.what](arguments.folder))
    print(json.dumps({"seconds": took, "peak": peak_bytes()}))


if __name__ == "__main__":
    main()

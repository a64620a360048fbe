"""Peak memory of ranking 100,000 queries in a gallery of 100,000, in a process of its own.

Run as a module it does the work and prints one line of JSON: seconds and peak bytes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.evaluation_speed import ranks_by_counting
from benchmarks.evaluation_vectors import drawn_vectors
from benchmarks.hardware import use_all_cores
from benchmarks.outcome import Outcome
from benchmarks.timing import seconds

LIMIT = 1.5e9


def evaluation_memory(quick: bool) -> Outcome:
    """Measure the peak resident memory of the whole process, Python and torch included."""
    rows, dim = (20000, 512) if quick else (100000, 512)
    found = run_apart(rows, dim)
    matrix = 4 * rows * rows / 1e9
    extra = f"peak {found['peak'] / 1e9:.2f} GB, of which inputs {8 * rows * dim / 1e9:.2f} GB; the whole matrix alone "
    extra += f"would be {matrix:.1f} GB"
    setting = f"{rows:,} queries, gallery of {rows:,}, {dim}-d, own process"
    return Outcome("evaluation memory", setting, None, found["seconds"], None, extra, "< 1.5 GB", found["peak"] < LIMIT)


def run_apart(rows: int, dim: int) -> dict[str, float]:
    """Rank in a new process; return its seconds and its peak bytes."""
    command = [sys.executable, "-m", "benchmarks.evaluation_memory", str(rows), str(dim)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"ranking {rows} rows in a process of its own failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    # Where there is /proc it is asked, because getrusage remembers the process that started this one.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Do the work of the process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("dim", type=int)
    arguments = parser.parse_args()
    use_all_cores()
    queries = drawn_vectors(arguments.rows, arguments.dim, "queries")
    gallery = drawn_vectors(arguments.rows, arguments.dim, "gallery")
    took = seconds(lambda: ranks_by_counting(queries, gallery))
    print(json.dumps({"seconds": took, "peak": peak_bytes()}))


if __name__ == "__main__":
    main()

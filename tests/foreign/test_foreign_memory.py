"""A pickle is read in its own place: what memory the reader itself takes, measured in a process of its own."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from trichord.foreign import read_pickle

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

path = Path(sys.argv[1])
before = peak()
records = read_pickle(path)
read = peak()
total = sum(float(record[name].sum()) for record in records for name in ("2d", "3d", "audio"))
print((read - before) / path.stat().st_size, (peak() - before) / path.stat().st_size, total, "torch" in sys.modules)
"""


def measure(tmp_path, protocol, num_records):
    random = np.random.default_rng(0)
    records = [
        {
            "id": f"v{number}",
            "2d": random.random(2048, dtype=np.float32),
            "3d": random.random(2048, dtype=np.float32),
            "audio": torch.from_numpy(random.random((40, 2000), dtype=np.float32)),
            "caption": "a caption of some words",
        }
        for number in range(num_records)
    ]
    with open(tmp_path / "f.pkl", "wb") as stream:
        pickle.dump(records, stream, protocol)
    del records
    output = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "f.pkl")], capture_output=True, text=True, check=True
    ).stdout.split()
    return float(output[0]), float(output[1]), float(output[2]), output[3]


@pytest.mark.parametrize(
    ("protocol", "num_records"),
    [(4, 120), *(pytest.param(protocol, 600, marks=pytest.mark.slow) for protocol in (3, 4, 5))],
)
def test_reading_takes_less_than_half_the_file_and_using_it_all_no_second_copy(protocol, num_records, tmp_path):
    reading, using, total, torch_imported = measure(tmp_path, protocol, num_records)
    assert reading < 0.9
    assert using < 1.5
    expected = num_records * (2 * 2048 + 40 * 2000) / 2
    assert abs(total - expected) < 0.01 * expected
    assert torch_imported == "False"

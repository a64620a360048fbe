"""Cross-validate a recipe's settings on everything but the test split, the way the shipped settings were chosen.

    python -m benchmarks.cross_validation DATASET --order VT [--splits train val] [--set PATH=VALUE ...]

The items of the given splits are dealt into folds; each fold is searched by a model trained on the others, to the end
of its schedule. The test split takes no part: its items belong to no split that is learnt from or measured on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from trichord.config import replaced
from trichord.data import Dataset
from trichord.evaluation import load_result
from trichord.randomness import numpy_generator
from trichord.recipes import find_recipe
from trichord.runs import RunOptions, run_experiment

METRICS = ("R@1", "R@5", "R@10", "MRR")


def fold_datasets(data: Path, splits: Sequence[str], folds: int, repeat: int, folder: Path) -> Iterator[Dataset]:
    """Write one data set per fold: links to the arrays, and a table in which the fold is the split "test"."""
    table = pd.read_parquet(data / "items.parquet")
    rows = np.flatnonzero(table["split"].isin(splits))
    shuffled = numpy_generator(repeat, "cross-validation").permutation(rows)
    for number in range(folds):
        held = shuffled[number::folds]
        split = np.full(len(table), "left out", dtype=object)
        split[rows] = "train"
        split[held] = "test"
        path = folder / f"repeat-{repeat}-fold-{number}"
        path.mkdir(parents=True)
        for file in data.iterdir():
            if file.name != "items.parquet":
                (path / file.name).symlink_to(file.resolve())
        table.assign(split=split).to_parquet(path / "items.parquet", index=False)
        yield Dataset.open(path)


def cross_validate(
    data: Path,
    recipe: str,
    order: str,
    changes: dict[str, object],
    splits: Sequence[str] = ("train", "val"),
    folds: int = 5,
    repeats: int = 1,
) -> dict[str, dict[str, float]]:
    """Return task -> metric -> mean over all queries of all folds and repeats."""
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            for dataset in fold_datasets(data, splits, folds, repeat, Path(folder)):
                config = replaced(
                    find_recipe(recipe)(dataset.spec, order, repeat), {"selection.split": None, **changes}
                )
                out = Path(folder) / "runs" / dataset.path.name
                run = run_experiment(config, dataset, out, options=RunOptions(progress=False))
                for task in config.tasks:
                    result = load_result(run.results_folder("test"), task)
                    for metric in METRICS:
                        found.setdefault(task, {}).setdefault(metric, []).append(result.per_query(metric))
    return {
        task: {metric: float(np.concatenate(values).mean()) for metric, values in of_task.items()}
        for task, of_task in found.items()
    }


def main(arguments: list[str] | None = None) -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cross_validation", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATASET")
    parser.add_argument("--recipe", default="heads")
    parser.add_argument("--order", default="VT")
    parser.add_argument("--splits", nargs="+", default=["train", "val"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="PATH=VALUE", help="values are JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    changes = {path: json.loads(value) for path, _, value in (entry.partition("=") for entry in options.set)}
    found = cross_validate(
        options.data, options.recipe, options.order, changes, options.splits, options.folds, options.repeats
    )
    for task, metrics in found.items():
        print(task.ljust(6), "  ".join(f"{metric} {value:.3f}" for metric, value in metrics.items()))


if __name__ == "__main__":
    main()

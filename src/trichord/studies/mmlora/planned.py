"""A classifier that a study trains in a folder of its own, and proof that experts stay what they were."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import load_classifier
from trichord.classification.run import run_classifier
from trichord.data import Dataset
from trichord.data.specification import RAW_WIDTHS
from trichord.encoders import EncoderConfig
from trichord.errors import RunError
from trichord.files import hash_bytes, read_json, write_json
from trichord.reports.numbers import counted
from trichord.runs import RunOptions, identify
from trichord.runs.prepared_data import prepared_view
from trichord.studies.graphs.journal import is_held

PATIENCE = 5.0
PART = 2**20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class PlannedClassifier:
    """The training of a classifier; see `trichord.studies.machine.Planned`.

    Args:
        folder: where.
        config: the experiment.
        encoders: modality -> its encoder, of all modalities of the study: raw data are prepared alike for all its runs.
        experts: modality -> folder of the expert that it starts from, or is held near.
        probes: whether its encoders are probed; they can be later.
        data: data of its own; none has any.
    """

    folder: Path
    config: ClassifierExperimentConfig
    encoders: Mapping[str, EncoderConfig]
    experts: Mapping[str, Path] = field(default_factory=dict)
    probes: bool = False
    data: Dataset | None = None

    @property
    def finished(self) -> bool:
        """Whether it came to its end, probes included where they are wanted."""
        directory = ClassifierDirectory(self.folder)
        return directory.finished and (not self.probes or bool(directory.status().get("probed", False)))

    def without_data(self) -> PlannedClassifier:
        """Return it without its open data set, to be sent to another process."""
        return replace(self, data=None)

    def check(self, dataset: Dataset) -> None:
        """Raise `RunError` when the folder holds another classifier, or one that was begun on other data."""
        directory = ClassifierDirectory(self.folder)
        if directory.exists:
            directory.check_same(self.config, identify(self._view(dataset)))

    def carry_out(self, dataset: Dataset, options: RunOptions) -> None:
        """Train and measure, see `run_classifier`.

        The workers of a study that was killed end within half a second; until then they hold their folders.
        """
        patience = time.monotonic() + PATIENCE
        while is_held(self.folder / ".lock") and time.monotonic() < patience:
            time.sleep(0.1)
        experts = {name: load_classifier(folder) for name, folder in self.experts.items()}
        view = self._view(dataset)
        run_classifier(self.config, view, self.folder, options=options, experts=experts, probes=self.probes)

    def _view(self, dataset: Dataset) -> Dataset:
        """Return the data as the encoders read them; the data themselves where these are features, or prepared."""
        stored = {name: dataset.stored(name) for name in self.encoders}
        raw = {name for name, found in stored.items() if found.header.kind in RAW_WIDTHS and not found.preparation}
        return prepared_view(dataset, {name: self.encoders[name] for name in raw}) if raw else dataset


def hash_folders(folders: Iterable[Path]) -> dict[str, str]:
    """Return folder -> hash of the names and bytes of all its files, hidden ones left out."""
    return {str(folder): hash_bytes(_parts(folder)) for folder in folders}


def _parts(folder: Path) -> Iterable[bytes]:
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in inside.parts):
            digest = hashlib.sha256()
            with open(file, "rb") as handle:
                while part := handle.read(PART):
                    digest.update(part)
            yield str(inside).encode()
            yield digest.digest()


def remember_experts(record: Path, root: Path, folders: Iterable[Path], resting: Iterable[Path] = ()) -> None:
    """Write down what the experts' folders hold, before anything rests on them; see `check_experts`.

    Args:
        record: file that it is written to.
        root: folder of the study.
        folders: those of the experts.
        resting: folders of what rests on experts, begun or not.

    Raises:
        RunError: one was written down before, and has changed since; or something was begun over experts of which
            nothing is written down any more, so that nobody can tell whether they changed.
    """
    begun = (
        [] if record.exists() else [str(one.relative_to(root)) for one in resting if ClassifierDirectory(one).exists]
    )
    if begun:
        raise RunError(
            f"{record}, which says what the experts held before anything was learnt over them, is gone, and "
            f"{counted(len(begun), 'run')} learnt over them already ({begun[0]}, ...), so that nobody can tell whether "
            "they changed; restore it, delete these runs to learn them again, or choose another --out"
        )
    found = {str(Path(folder).relative_to(root)): value for folder, value in hash_folders(folders).items()}
    known = dict(read_json(record)) if record.exists() else {}
    _compare(known, found)
    write_json(record, known | found)


def check_experts(record: Path, root: Path) -> int:
    """Return how many experts' folders are, to the bit, what was written down of them.

    Raises:
        RunError: one has changed.
    """
    known = dict(read_json(record))
    _compare(known, {name: hash_folders([root / name])[str(root / name)] for name in known})
    return len(known)


def _compare(known: Mapping[str, str], found: Mapping[str, str]) -> None:
    changed = [name for name, value in found.items() if known.get(name, value) != value]
    if changed:
        raise RunError(
            f"the folders of the experts {changed} are not what they were before anything was learnt over them, so "
            "that nothing that rests on them can be trusted; restore them, or choose another --out"
        )

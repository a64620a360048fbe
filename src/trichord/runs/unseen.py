"""Whether items that are to choose or to be reported were seen before: by split in the same data, by id in others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trichord.adapters.identity import AND, AdapterIdentity
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError
from trichord.runs.directory import DatasetIdentity, RunDirectory


@dataclass(frozen=True)
class Seen:
    """What a run or an adapter saw while it learnt.

    Args:
        what: its name for messages, "runs/base".
        fit_splits: splits learnt from.
        selected_on: splits its epochs were chosen on.
        dataset: the data; the path is empty where nothing says where they lie.
    """

    what: str
    fit_splits: tuple[str, ...]
    selected_on: tuple[str, ...]
    dataset: DatasetIdentity


@dataclass(frozen=True)
class Use:
    """What a split is for.

    Args:
        split: its name.
        purpose: continues "which would ...": "choose the routes", "be reported".
        reported: whether it is reported: then epochs must not have been chosen on it either.
    """

    split: str
    purpose: str
    reported: bool = False

    def forbidden(self, seen: Seen) -> tuple[str, ...]:
        """Return the splits of the data of `seen` whose items must not be used so."""
        return tuple(dict.fromkeys((*seen.fit_splits, *(seen.selected_on if self.reported else ()))))


def seen_by_run(folder: Path) -> Seen:
    """Return what a run saw."""
    record = RunDirectory(folder).record()
    chosen = record.config.selection.split
    return Seen(str(folder), record.config.fit_splits, () if chosen is None else (chosen,), record.dataset)


def seen_by_adapter(identity: AdapterIdentity, folder: Path, base: Seen) -> Seen:
    """Return what an adapter saw, as its identity says, which goes wherever its weights go.

    Args:
        identity: its identity.
        folder: where it lies; a run folder knows where its data are.
        base: what its base saw; often of the same data.
    """
    directory, fingerprint = RunDirectory(folder), identity.dataset_fingerprint
    known = [*([directory.record().dataset] if directory.exists else []), base.dataset]
    path = next((found.path for found in known if found.fingerprint == fingerprint), "")
    chosen = () if identity.selected_on is None else tuple(identity.selected_on.split(AND))
    return Seen(str(folder), identity.fit_splits, chosen, DatasetIdentity(identity.dataset, path, fingerprint))


def check_unseen(seen: Sequence[Seen], dataset: Dataset, uses: Sequence[Use]) -> tuple[str, ...]:
    """Refuse splits whose items something learnt from, or, where they are reported, chose its epochs on.

    In the data that it learnt from, which have the same fingerprint, names of splits tell. In other data they tell
    nothing (a fold calls "train" what its data call "val"): there ids are compared, as long as the data that it learnt
    from lie where they did.

    Args:
        seen: what was seen.
        dataset: the data at hand.
        uses: what their splits are for.

    Returns:
        Sentences for a report about what was checked by ids, and, beginning with "Caution", what could not be.

    Raises:
        ConfigError: a split was seen.
    """
    opened: dict[DatasetIdentity, Dataset | None] = {}
    notes: list[str] = []
    for one in seen:
        if dataset.fingerprint() in one.dataset.fingerprint.split(AND):
            _check_names(one, uses)
        elif one.fit_splits or one.selected_on:
            if one.dataset not in opened:
                opened[one.dataset] = _open_unchanged(one.dataset)
            notes.append(_check_ids(one, opened[one.dataset], dataset, uses))
    return tuple(dict.fromkeys(notes))


def _check_names(seen: Seen, uses: Iterable[Use]) -> None:
    for use in uses:
        if use.split in seen.fit_splits:
            raise ConfigError(
                f"{seen.what} learnt from split {use.split!r}, which would {use.purpose}; train it without that split, "
                "or name another"
            )
        if use.split in use.forbidden(seen):
            raise ConfigError(
                f"{seen.what} chose its epochs on split {use.split!r}, which would {use.purpose}; name another split"
            )


def _check_ids(seen: Seen, theirs: Dataset | None, dataset: Dataset, uses: Sequence[Use]) -> str:
    """Compare ids and return what a report says about it."""
    splits = " or ".join(use.split for use in uses)
    if theirs is None:
        place = f" ({seen.dataset.path})" if seen.dataset.path else ""
        return (
            f"Caution: {seen.what} learnt from other data, {seen.dataset.name}{place}, which cannot be read as they "
            f"were; whether it saw items of {splits} could not be checked."
        )
    for use in uses:
        forbidden = use.forbidden(seen)
        known = {theirs.ids[row] for row in theirs.split(*forbidden)} if forbidden else set()
        both = [dataset.ids[row] for row in dataset.split(use.split) if dataset.ids[row] in known]
        if both:
            raise ConfigError(
                f"{seen.what} saw items of split {use.split!r}, which would {use.purpose}: {len(both)} ids, "
                f"{both[0]!r} first, are in {AND.join(forbidden)} of the data it learnt from ({theirs.path}); name a "
                "split without them"
            )
    return (
        f"{seen.what} learnt from other data, {seen.dataset.name}; by their ids, none of the items it saw is in "
        f"{splits}."
    )


def _open_unchanged(identity: DatasetIdentity) -> Dataset | None:
    """Open data where they lay; None where they are not there, or are not what they were."""
    if not identity.path:
        return None
    try:
        found = Dataset.open(identity.path)
        return found if found.fingerprint() == identity.fingerprint else None
    except (DataError, OSError):
        return None

"""What a reader must know to read a table: warnings, how intervals and tests were made, what is absent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from trichord.reports.entries import Entry
from trichord.reports.numbers import listed
from trichord.reports.paired import Effort
from trichord.reports.table import SIGNIFICANCE, Note, PairedRow


def collect_flags(entries: Sequence[Entry], tasks: Sequence[str]) -> tuple[str, ...]:
    """Warnings of the results, each with the entry, the task and the seeds it applies to."""
    lines = []
    for entry in entries:
        seeds_of: dict[tuple[str, str], list[str]] = {}
        for seed, results in zip(entry.seeds, entry.results, strict=True):
            for task in tasks:
                for flag in results[task].flags if task in results else ():
                    seeds_of.setdefault((task, flag), []).append(str(seed))
        for (task, flag), seeds in seeds_of.items():
            which = "" if len(entry.seeds) == 1 else f" (seed {', '.join(seeds)})"
            lines.append(f"{entry.label}, {task}{which}: {flag}")
    return tuple(lines)


def write_notes(
    entries: Sequence[Entry], tasks: Sequence[str], paired: Sequence[PairedRow], effort: Effort
) -> tuple[Note, ...]:
    """How to read the numbers of these entries."""
    resampled = "items and seeds" if any(len(entry.seeds) > 1 for entry in entries) else "items"
    first = Note(f"Intervals: 95 %, percentile bootstrap over {resampled}, {effort.num_resamples} resamples.")
    return (first, *_about_tests(paired, effort), *_about_seeds(entries), *_about_absent(entries, tasks))


def _about_tests(paired: Sequence[PairedRow], effort: Effort) -> Iterator[Note]:
    counts = Counter(pair.metric for pair in paired)
    if counts:
        family = max(counts.values())
        draws = effort.draws(family)
        yield Note(
            f"Tests: two-sided paired randomisation over items, {draws} draws.",
            "They ask whether these very models, averaged over their seeds, differ on other items; how much new seeds "
            "would move the difference is in its interval, which may therefore cross zero beside a small p.",
        )
        yield Note(
            f"Multiple comparisons: {listed([f'{count} of {metric}' for metric, count in counts.items()])}, "
            "p adjusted by Holm's rule over all of one metric.",
            "If no two entries differed, the chance of calling any pair different would be at most 5 %.",
        )
        if family / (1 + draws) >= SIGNIFICANCE:
            yield Note(
                f"Too few draws: with {draws} of them, no adjusted p-value of {family} comparisons can be below "
                f"{SIGNIFICANCE}; nothing can be called significant here. Draw more."
            )


def _about_seeds(entries: Sequence[Entry]) -> Iterator[Note]:
    trained = [entry for entry in entries if entry.kind == "trained"]
    numbers = {len(entry.seeds) for entry in trained}
    if len(numbers) > 1:
        yield Note(
            f"The numbers of seeds differ: {listed([f'{entry.label} {len(entry.seeds)}' for entry in trained])}."
        )
    if numbers == {1}:
        yield Note("Each order was trained with one seed only: the intervals do not hold the variation between seeds.")


def _about_absent(entries: Sequence[Entry], tasks: Sequence[str]) -> Iterator[Note]:
    for entry in entries:
        absent = [task for task in tasks if not entry.of_task(task)]
        if absent:
            yield Note(f"{entry.label} was not measured on {listed(absent)}.", " ".join(_reasons(entry)))


def _reasons(entry: Entry) -> list[str]:
    """Return why a baseline left pairs out."""
    details = [value for value in entry.settings.values() if isinstance(value, dict)]
    return [str(detail["left_out"]) for detail in details if "left_out" in detail]

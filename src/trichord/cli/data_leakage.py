"""`trichord data leakage`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from trichord.cli.options import Positional, parse_command
from trichord.data.leakage import find_leak
from trichord.data.video_lists import look_like_clips, read_video_list
from trichord.errors import ConfigError

LISTED = 20


@dataclass(frozen=True, kw_only=True)
class DataLeakage:
    """Say whether videos that are learnt from are evaluated on; exit 1 if any are, or seem to be.

    Each side is a data set or a list file: csv with a header, jsonl, jsonl.gz, or one id per line. DIR:train takes one
    split of a data set, DIR:train+val two, and FILE:train the rows of a list whose field "split" is train; without a
    split all count. A data set's video is the source of an item (YouCook2: the first 11 characters of a clip's id),
    that of a list the field video_id, youtube_id, vid, id or the last part of path (HowTo100M), the first that is
    there.

    Args:
        training: what is learnt from.
        evaluated: what is measured on.
        field: field of list files that holds the videos; two names where the lists differ, the training list's first.
        characters: compare the first so many characters of ids; 11 where they are ids of clips of YouTube videos.
        json: print JSON.
    """

    training: Positional[str]
    evaluated: Positional[str]
    field: tuple[str, ...] = ()
    characters: int | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(DataLeakage, arguments, "trichord data leakage")
    if command.training == command.evaluated:
        raise ConfigError(f"both sides are {command.training}; name a split of each, as in DIR:train DIR:test")
    if len(command.field) > 2:
        raise ConfigError(f"--field takes one name, or one for either list, got {len(command.field)}")
    fields = command.field or (None,)
    training = read_video_list(command.training, fields[0], command.characters)
    evaluated = read_video_list(command.evaluated, fields[-1], command.characters)
    leak = find_leak(training.ids, evaluated.ids, (training.name, evaluated.name))
    hidden = 0 if leak.shared else look_like_clips(training.ids, evaluated.ids)
    read_from = {"training": training.read_from, "evaluated": evaluated.read_from}
    if command.json:
        print(json.dumps({**asdict(leak), "sentence": leak.sentence, "read_from": read_from, "same_as_clips": hidden}))
    else:
        print(f"{leak.sentence}.")
        print(f"Read from {training.read_from} (training) and {evaluated.read_from} (evaluated).")
        print("".join(f"  {video}\n" for video in leak.shared[:LISTED]), end="")
        if len(leak.shared) > LISTED:
            print(f"  and {len(leak.shared) - LISTED:,} more")
        if hidden:
            print(
                "Look again: some ids are those of clips; by their first 11 characters the lists share "
                f"{hidden:,}. Use --characters 11."
            )
    if leak.shared or hidden:
        raise SystemExit(1)

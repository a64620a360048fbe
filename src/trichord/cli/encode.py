"""`trichord encode`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from trichord.cli.evaluate import load_model
from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.errors import ConfigError
from trichord.runs.encode_split import encode_split
from trichord.runs.routing import describe_effect
from trichord.runs.side_vectors import SideName
from trichord.runs.vectors import save_vectors


@dataclass(frozen=True, kw_only=True)
class Encode:
    """Store the vectors of one side of a route, with a stamp that says what made them.

    A file of vectors is searched with `trichord search`, and only together with the other side of a route that would
    have made both. Each caption is a row. For every adapter of the route it is said which sides it changes: a stored
    gallery stays valid under an adapter that changes the query side only.

    Args:
        run: run folder of the base, or a file of the published MCN code (e30.pth).
        data: folder of the data set.
        out: file to write, FILE.safetensors.
        route: spelled task, as T>V or T>VA.
        side: which side of it.
        adapters: folders of adapters to load.
        adapter: answer the whole task under this adapter, or under "base". Needed where adapters are loaded and no
            routes.
        routes: routes.json, which says what answers each task.
        split: split whose items are encoded.
        batch_size: instances encoded at once.
        json: print JSON.
    """

    run: Positional[Path]
    data: Path
    out: Path
    route: str
    side: SideName
    adapters: tuple[Path, ...] = ()
    adapter: str | None = None
    routes: Path | None = None
    split: str = "test"
    batch_size: int = 1024
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Encode, arguments, "trichord encode")
    if not command.out.parent.is_dir() or command.out.is_dir():
        raise ConfigError(f"{command.out} cannot be written: name a file in a folder that is there")
    dataset = Dataset.open(command.data)
    model = load_model(command.run, dataset.spec.name)
    for folder in command.adapters:
        model.load_adapter(folder)
    if command.routes is not None:
        model.load_routes(command.routes)
    route = model.find_route(command.route, command.adapter)
    items = dataset.split(command.split)
    with tqdm(desc=command.side, disable=None) as bar:
        encoded = encode_split(
            model,
            dataset,
            items,
            route,
            command.side,
            batch_size=command.batch_size,
            progress=partial(_advance, bar),
        )
    save_vectors(command.out, encoded.file)
    file, stamp = encoded.file, encoded.file.stamp
    effects = {name: describe_effect(model.bank.identity(name), route) for name in stamp.names.values()}
    if command.json:
        record = {"out": str(command.out), "rows": len(file), "items": len(items), "left_out": list(encoded.left_out)}
        print(json.dumps({**record, "stamp": stamp.to_dict(), "adapters": effects}))
        return
    print(f"{len(file):,} vectors of {len(items) - len(encoded.left_out):,} items, {stamp.dim} wide: {command.out}")
    print(f"{stamp.describe()}.")
    if encoded.left_out:
        shown = ", ".join(encoded.left_out[:5]) + (", ..." if len(encoded.left_out) > 5 else "")
        print(f"Left out, because they hold nothing of this side: {len(encoded.left_out):,} items ({shown}).")
    for name, effect in effects.items():
        print(f"{name} {effect}.")


def _advance(bar: Any, done: int, total: int) -> None:
    """Move the bar, which starts anew for each adapter."""
    bar.total = total
    bar.update(done - bar.n)

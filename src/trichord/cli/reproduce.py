"""`trichord reproduce`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from trichord.cli.options import parse_command
from trichord.curricula import parse_order
from trichord.data.importers.clips import Language
from trichord.errors import ConfigError
from trichord.modality import STANDARD
from trichord.recipes import find_recipe
from trichord.reports.lab.terminal import print_lab_table
from trichord.runs import RunOptions
from trichord.studies.published_data import PublishedFolders, open_folders
from trichord.studies.reproduce import ORDERS, Reproduction, reproduce


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Fill the table of the lab: train or load, measure under named protocols, and print it beside all quoted rows.

    Every folder holds published files, or a data set that was imported from them. With --howto100m every order is
    trained on narrated video and measured zero-shot, and fine-tuned where a benchmark has training clips; without it
    every order is trained on the training clips of each benchmark. Started again it goes on where it stopped.

    Args:
        out: folder of the reproduction.
        youcook2: folder of youcook_val_audio.pkl and youcook_train_audio.pkl.
        msrvtt: folder of msrvtt_jsfusion_test.pkl, the list msrvtt_1kA_test.csv and a training pickle.
        lsmdc: folder of lsmdc_test.pkl and lsmdc_train.pkl.
        howto100m: folder of the features and caption.pickle.
        videos: training list of HowTo100M; None: one of a published name in its folder.
        checkpoint: file of the published MCN code (e30.pth), measured zero-shot.
        words: file of word vectors; None: GoogleNews-vectors-negative300.bin in or beside a folder.
        language: how captions are cut into words.
        recipe: name of a recipe; None: mcn_fixed where there is a GPU, mcn_fixed_small elsewhere.
        orders: orders of learning.
        seeds: number of seeds.
        epochs: epochs of every stage of the orders; None: those of the recipe. Fine-tuning has epochs of its own.
        workers: runs at once; None decides by model and machine.
        json: print the table as JSON.
        options: choices that do not change the numbers.
    """

    out: Path
    youcook2: Path | None = None
    msrvtt: Path | None = None
    lsmdc: Path | None = None
    howto100m: Path | None = None
    videos: Path | None = None
    checkpoint: Path | None = None
    words: Path | None = None
    language: Language = "english"
    recipe: str | None = None
    orders: tuple[str, ...] = ORDERS
    seeds: int = 1
    epochs: int | None = None
    workers: int | None = None
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Reproduce, arguments, "trichord reproduce")
    named = {name: getattr(command, name) for name in ("youcook2", "msrvtt", "lsmdc", "howto100m")}
    folders = {name: folder for name, folder in named.items() if folder is not None}
    if not set(folders) - {"howto100m"}:
        raise ConfigError("there is nothing to measure on: name a folder with --youcook2, --msrvtt or --lsmdc")
    for order in command.orders:
        parse_order(order, STANDARD)
    for name in ("epochs", "seeds", "workers"):
        value = getattr(command, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name} is at least 1, got {value}")
    stages = max(order.count("_") + 1 for order in command.orders)
    changes = {} if command.epochs is None else {f"stages.{k}.epochs": command.epochs for k in range(stages)}
    default = "mcn_fixed" if torch.cuda.is_available() else "mcn_fixed_small"
    study = Reproduction(
        recipe=find_recipe(command.recipe or default),
        orders=command.orders,
        num_seeds=command.seeds,
        changes=changes,
        checkpoint=command.checkpoint,
    )
    published = PublishedFolders(folders, command.words, command.videos, command.language)
    opened = open_folders(published, command.out / "data", progress=command.options.progress)
    outcome = reproduce(study, opened, command.out, workers=command.workers, options=command.options)
    if command.json:
        print(json.dumps(outcome.table.to_dict()))
    else:
        print_lab_table(outcome.table)
        print(f"\npage: {outcome.page}")

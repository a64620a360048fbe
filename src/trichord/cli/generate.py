"""`trichord generate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trichord.cli.options import parse_command
from trichord.data.generated import (
    CrossTaskConfig,
    HowTo100MConfig,
    LsmdcConfig,
    MsrvttConfig,
    WordVectorsConfig,
    YouCook2Config,
    write_crosstask,
    write_howto100m,
    write_lsmdc,
    write_msrvtt,
    write_word_vectors,
    write_youcook2,
)
from trichord.errors import ConfigError
from trichord.studies.published_data import WORDS_FILE

# Short clips, so that everything about them takes minutes on two cores.
FRAMES = (48, 80)
Corpus = Literal["youcook2", "msrvtt", "lsmdc", "howto100m", "crosstask"]


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Write files of exactly the published formats, with planted signal, to try importers and `trichord reproduce`.

    They hold no real clips. In the YouCook2 files the order AT_V must win text to video, in the MSR-VTT files VT_A.

    Args:
        out: folder; every corpus gets a folder of its own in it, and the word vectors lie beside them.
        corpora: which to write.
        seed: seed of the clips.
    """

    out: Path
    corpora: tuple[Corpus, ...] = ("youcook2", "msrvtt")
    seed: int = 0


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Generate, arguments, "trichord generate")
    there = [name for name in command.corpora if (command.out / name).exists()]
    if there:
        raise ConfigError(f"{command.out / there[0]} exists; choose another folder, or remove it")
    write_word_vectors(command.out / WORDS_FILE, WordVectorsConfig())
    print(command.out / WORDS_FILE)
    for name in command.corpora:
        _write(name, command.out / name, command.seed)
        print(command.out / name)


def _write(name: Corpus, folder: Path, seed: int) -> None:
    if name == "youcook2":
        write_youcook2(folder, YouCook2Config(seed=seed, frames=FRAMES))
    elif name == "msrvtt":
        write_msrvtt(folder, MsrvttConfig(seed=seed, frames=FRAMES, rows=(2, 4)))
    elif name == "lsmdc":
        write_lsmdc(folder, LsmdcConfig(seed=seed, frames=FRAMES))
    elif name == "howto100m":
        write_howto100m(folder, HowTo100MConfig(seed=seed))
    else:
        write_crosstask(folder, CrossTaskConfig(seed=seed))

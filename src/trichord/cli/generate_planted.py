"""`trichord generate planted`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trichord.cli.options import parse_command
from trichord.data.check import check_dataset
from trichord.data.planted import write_planted
from trichord.data.planted_ceilings import ceiling_lines, ceilings
from trichord.data.planted_classes import write_planted_classes
from trichord.data.planted_corpora import CLASS_CORPORA, CORPORA

Planting = Literal["winners", "crowded", "silent", "two-sided", "bridged"]
ClassPlanting = Literal["complementary", "redundant", "conflicting", "labels"]


@dataclass(frozen=True, kw_only=True)
class GeneratePlanted:
    """Write a planted corpus as a data set: features without any clips behind them, whose relations are known.

    "winners": every task has an order that must win it, as in the demo. "crowded", "silent" and "two-sided": every task
    has a route that must win it. "bridged": text and video hardly ever meet in training, but both meet audio.

    To classify, with what every set of modalities can reach at best: "complementary": each modality tells a part of the
    class. "redundant": both tell the same. "conflicting": a strong modality, which is sometimes wrong, hides a weak one
    from joint learning. "labels": several classes per item, and items that lack modalities.

    Args:
        out: folder of the data set to make.
        planting: which corpus.
        seed: seed of everything drawn.
        overwrite: replace a data set that is already there.
    """

    out: Path
    planting: Planting | ClassPlanting
    seed: int = 0
    overwrite: bool = False


def run(arguments: list[str]) -> None:
    """Run the command: write, then check what was written; exit 1 if the check finds errors."""
    command = parse_command(GeneratePlanted, arguments, "trichord generate planted")
    lines: list[str] = []
    if command.planting in CLASS_CORPORA:
        config = replace(CLASS_CORPORA[command.planting], seed=command.seed)
        lines = ceiling_lines(ceilings(config))
        described = f"planted to classify, {command.planting}; at best, on test: " + "; ".join(lines)
        dataset = write_planted_classes(command.out, config, described, command.overwrite)
    else:
        planted = replace(CORPORA[command.planting], seed=command.seed)
        dataset = write_planted(command.out, planted, overwrite=command.overwrite)
    checked = check_dataset(dataset.path)
    print(checked.to_text())
    for line in lines:
        print(f"at best, on test: {line}")
    if not checked.ok:
        raise SystemExit(1)

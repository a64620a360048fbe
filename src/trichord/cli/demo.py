"""`trichord demo`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import parse_command
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.data.winners import ORDERS, planted_winners
from trichord.recipes import planted
from trichord.reports import print_table
from trichord.runs import RunOptions
from trichord.studies import OrdersStudy, judge_winners, run_orders_study


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The study of orders on a planted corpus, where the winner of every task is known before training.

    Args:
        out: folder for the corpus and the study.
        seeds: number of seeds.
        workers: runs at once; None decides by model and machine.
        json: print JSON.
        options: choices that do not change the numbers.
    """

    out: Path = Path("demo")
    seeds: int = 3
    workers: int | None = None
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command; exit 1 when a planted winner did not win."""
    command = parse_command(Demo, arguments, "trichord demo")
    corpus, settings = command.out / "corpus", PlantedConfig()
    command.out.mkdir(parents=True, exist_ok=True)
    dataset = Dataset.open(corpus) if corpus.exists() else write_planted(corpus, settings)
    study = OrdersStudy(orders=ORDERS, num_seeds=command.seeds, recipe=planted, changes={})
    outcome = run_orders_study(study, dataset, command.out / "study", workers=command.workers, options=command.options)
    verdicts = judge_winners(outcome.table, planted_winners(settings))
    won = sum(verdict.holds for verdict in verdicts)
    if command.json:
        print(json.dumps({"planted": [vars(v) | {"holds": v.holds} for v in verdicts], **outcome.table.to_dict()}))
    else:
        print_table(outcome.table)
        print("\nWinners that were planted, and what was found (R@10):")
        print("\n".join(f"  {verdict.sentence}" for verdict in verdicts))
        print(f"\n{won} of {len(verdicts)} planted winners won. Page with curves and plots: {outcome.page}")
    if won < len(verdicts):
        raise SystemExit(1)

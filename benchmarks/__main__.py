"""`python -m benchmarks [NAMES...] [--quick] [--json FILE]`: run benchmarks and print one table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.adapter_cost import adapter_cost_audio, adapter_cost_heads, adapter_cost_transformer
from benchmarks.adapter_switching import adapter_mixing, adapter_switching
from benchmarks.clip_loading import clip_loading
from benchmarks.evaluation_memory import evaluation_memory
from benchmarks.evaluation_speed import evaluation_speed
from benchmarks.graph_nodes import graph_nodes
from benchmarks.hardware import machine, machine_line, use_all_cores
from benchmarks.narrated_clips import narrated_clips
from benchmarks.outcome import Outcome
from benchmarks.published_evaluation import published_evaluation
from benchmarks.published_import import published_import
from benchmarks.table import render
from benchmarks.training_step import training_step_bfloat16, training_step_float32
from benchmarks.trunk_caching import trunk_caching
from trichord.files import write_json

ALL: tuple[Callable[[bool], Outcome], ...] = (
    training_step_float32,
    training_step_bfloat16,
    clip_loading,
    evaluation_speed,
    evaluation_memory,
    narrated_clips,
    published_import,
    published_evaluation,
    adapter_cost_heads,
    adapter_cost_audio,
    adapter_cost_transformer,
    adapter_switching,
    adapter_mixing,
    trunk_caching,
    graph_nodes,
)


def command_name(benchmark: Callable[[bool], Outcome]) -> str:
    """Return the name by which a benchmark is asked for, such as "clip-loading"."""
    return benchmark.__name__.replace("_", "-")


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmarks that were named, or all of them."""
    names = [command_name(benchmark) for benchmark in ALL]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare trichord with plain baselines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(names)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that everything runs, not the targets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the outcomes to FILE")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(names)}")
    use_all_cores()
    outcomes = []
    for benchmark in ALL:
        if not options.names or command_name(benchmark) in options.names:
            print(f"running {command_name(benchmark)} ...", file=sys.stderr, flush=True)
            outcomes.append(benchmark(options.quick))
    print(render(outcomes, machine_line()))
    if options.json is not None:
        write_json(options.json, {"machine": machine(), "quick": options.quick, "outcomes": [*map(asdict, outcomes)]})


if __name__ == "__main__":
    main()

"""LoRA against full fine-tuning: what learns, where memory goes, how long a step takes, what a file weighs.

Run as a module it takes steps of one way of learning in a process of its own and prints one line of JSON: its peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks.adapter_subjects import NetworkSize, Subject, TransformerSize, network, transformer
from benchmarks.evaluation_memory import peak_bytes
from benchmarks.hardware import use_all_cores
from benchmarks.memory_split import MemorySplit, measure_step
from benchmarks.outcome import Outcome
from benchmarks.timing import in_turns, processor_seconds
from trichord.adapters.lora import LowRank
from trichord.shapes import Tensor
from trichord.training.optimization import OptimizerConfig, build_optimizer

FULL, ADAPTER = "full fine-tuning", "pair"
LARGEST_SHARE, SMALLEST_MEMORY_RATIO = 0.05, 3.0
ROUNDS = 3
SUBJECTS: Mapping[str, Mapping[bool, Callable[[], Subject]]] = {
    "heads": {
        False: lambda: network(NetworkSize(batch_size=256), "heads"),
        True: lambda: network(NetworkSize(batch_size=8, dim=96, video_width=64), "heads"),
    },
    "audio": {
        False: lambda: network(NetworkSize(batch_size=8), "with audio"),
        True: lambda: network(
            NetworkSize(batch_size=4, dim=96, video_width=64, audio_widths=(16, 32), frames=64), "with audio"
        ),
    },
    "transformer": {
        False: lambda: transformer(TransformerSize(batch_size=4)),
        True: lambda: transformer(TransformerSize(batch_size=2, words=8, width=64, layers=2, vocabulary=100)),
    },
}
# Where activations come to outweigh what the optimizer remembers; their memory alone is measured.
LARGER_BATCHES = (TransformerSize(batch_size=8), TransformerSize(batch_size=16), TransformerSize(32, words=128))


@dataclass(frozen=True)
class Learner:
    """A way of learning, ready for its first step.

    Args:
        base_parameters, learning: numbers in the base, and numbers that learn.
        step: takes one step.
        measure: takes one step and says where its memory goes.
        file: name -> tensor, what is written to keep what was learnt.
    """

    base_parameters: int
    learning: int
    step: Callable[[], None]
    measure: Callable[[], MemorySplit]
    file: Callable[[], dict[str, Tensor]]

    def file_bytes(self) -> int:
        """Write the file and return its size."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in self.file().items()}, path)
            return path.stat().st_size


def adapter_cost_heads(quick: bool) -> Outcome:
    """On the heads the optimizer's memory goes; the frozen weights and the activations stay."""
    return compare("heads", quick)


def adapter_cost_audio(quick: bool) -> Outcome:
    """With the audio trunk activations are most of the memory, unless the trunk is frozen."""
    return compare("audio", quick)


def adapter_cost_transformer(quick: bool) -> Outcome:
    """On a transformer and a small batch, memory must fall to a third; larger batches show where that ends."""
    outcome = compare("transformer", quick, SMALLEST_MEMORY_RATIO)
    if quick:
        return outcome
    notes = []
    for size in LARGER_BATCHES:
        full, low = (prepare(transformer(size), way).measure() for way in (FULL, "query and value"))
        notes.append(
            f"{size.batch_size} x {size.words} words {full.total / low.total:.2f}x "
            f"(activations {full.activations / 1e6:.0f} and {low.activations / 1e6:.0f} MB)"
        )
    extra = f"{outcome.extra}; memory at larger batches: {', '.join(notes)}"
    return Outcome(**{**vars(outcome), "extra": extra})


def prepare(subject: Subject, way: str) -> Learner:
    """Make a base ready for full fine-tuning, or freeze it and put matrices in it."""
    module = subject.base
    number = sum(parameter.numel() for parameter in module.parameters())
    module.requires_grad_(way == FULL)
    low_rank = LowRank(module)
    if way != FULL:
        config, within = subject.adapters[way]
        low_rank.attach(ADAPTER, config, within)
        low_rank.learn([ADAPTER])
    optimizer = build_optimizer(module, OptimizerConfig(learning_rate=1e-4))
    subject.learning_mode(way == FULL)
    active = () if way == FULL else (ADAPTER,)

    def loss() -> Tensor:
        with low_rank.active(*active):
            return subject.loss()

    def step() -> None:
        loss().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return Learner(
        number,
        sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad),
        step,
        lambda: measure_step(module, optimizer, loss, subject.inputs),
        lambda: low_rank.tensors(ADAPTER) if active else _plain_tensors(module),
    )


def _plain_tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in module.state_dict().items()}


def ways_of(name: str, quick: bool) -> tuple[str, ...]:
    """Return what is compared on a subject, full fine-tuning first."""
    return (FULL, *SUBJECTS[name][quick]().adapters)


def compare(name: str, quick: bool, memory_target: float | None = None) -> Outcome:
    """Compare all ways on one subject: steps in turns, memory by tensors, peaks in processes of their own.

    The table's seconds are steps of full fine-tuning and of the last way, and the ratio is that of their memory.
    """
    build = SUBJECTS[name][quick]
    ways = ways_of(name, quick)
    learners = {way: prepare(build(), way) for way in ways}
    splits = {way: learner.measure() for way, learner in learners.items()}
    times = in_turns({way: learner.step for way, learner in learners.items()}, 1 if quick else ROUNDS)
    computing = {way: processor_seconds(learner.step) for way, learner in learners.items()}
    files = {way: learner.file_bytes() for way, learner in learners.items()}
    shares = {way: learner.learning / learner.base_parameters for way, learner in learners.items()}
    numbers = {way: learner.learning for way, learner in learners.items()}
    learners.clear()
    peaks = {way: run_apart(name, way, quick) for way in ways}
    setting = build().setting
    described = [
        f"{way}: {numbers[way] / 1e6:.3f} M learn ({shares[way]:.2%} of the base), {splits[way].describe()} "
        f"({splits[FULL].total / splits[way].total:.2f}x), peak of the process {peaks[way] / 1e6:.0f} MB, "
        f"step {median(times[way]):.2f} s ({computing[way]:.2f} s of processor time), file {files[way] / 1e6:.2f} MB"
        for way in ways
    ]
    ratio = splits[FULL].total / splits[ways[-1]].total
    share = max(shares[way] for way in ways[1:])
    target, met = f"adapter <= {LARGEST_SHARE:.0%}", share <= LARGEST_SHARE
    if memory_target is not None:
        target, met = f"memory >= {memory_target:g}x", ratio >= memory_target
    steps = median(times[FULL]), median(times[ways[-1]])
    return Outcome(f"adapter cost, {name}", setting, *steps, ratio, "; ".join(described), target, met)


def run_apart(name: str, way: str, quick: bool) -> int:
    """Take two steps in a new process; return by how many bytes its memory grew at most since its imports."""
    command = [sys.executable, "-m", "benchmarks.adapter_cost", name, way, *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"{way} of {name} in a process of its own failed:\n{done.stderr}")
    return int(json.loads(done.stdout)["grown"])


def main() -> None:
    """Do the work of the process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=[*SUBJECTS])
    parser.add_argument("way")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    use_all_cores()
    # A tiny step first, so that what libraries load at their first use is not counted.
    prepare(SUBJECTS[options.subject][True](), options.way).step()
    before = peak_bytes()
    learner = prepare(SUBJECTS[options.subject][options.quick](), options.way)
    learner.step()
    learner.step()
    print(json.dumps({"grown": peak_bytes() - before}))


if __name__ == "__main__":
    torch.manual_seed(0)
    main()

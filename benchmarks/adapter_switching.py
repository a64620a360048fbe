"""Many adapters over one base: changing from one to another, and a batch in which every row has its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import peft
import torch

from benchmarks.adapter_subjects import NetworkSize, build_encoder, draw_batch
from benchmarks.outcome import Outcome, compared
from benchmarks.timing import in_turns, processor_seconds, seconds
from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank, find_targets
from trichord.adapters.saved import SavedAdapter
from trichord.adapters.settings import LowRankConfig
from trichord.batch import Features
from trichord.encoders import JointEncoder
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.randomness import torch_generator
from trichord.shapes import Tensor

BASE_HASH = "benchmark"
LOADED = (1, 4, 16, 64)
LONGEST_SWITCH, FLATNESS = 1e-3, 1.5
# PEFT's takes long; a few will do.
SLOW_SWITCHES = 10
NUM_MIXED, SMALLEST_THROUGHPUT = 8, 0.8
ALL_LAYERS = LowRankConfig(targets="linear and convolution")
# Time to switch depends on the number of layers, which is the published one, and not on their width.
SWITCHED = NetworkSize(batch_size=1, dim=96, video_width=64, audio_widths=(16, 32, 64, 128))
QUICKLY_SWITCHED = NetworkSize(batch_size=1, dim=16, video_width=8, audio_widths=(8,))
MIXED = NetworkSize(batch_size=512)
MIXED_SMALL = NetworkSize(batch_size=512, dim=256)
QUICKLY_MIXED = NetworkSize(batch_size=16, dim=16, video_width=8)


def adapter_switching(quick: bool) -> Outcome:
    """Activating an adapter must take less than 1 ms, however many are loaded."""
    size, counts, switches = (QUICKLY_SWITCHED, (1, 3), 2) if quick else (SWITCHED, LOADED, 100)
    names = (VIDEO.name, AUDIO.name, TEXT.name)
    bank, plain = OurBank.empty(size, names, ALL_LAYERS), PlainBank.empty(size, names, ALL_LAYERS)
    ours: dict[int, float] = {}
    theirs: dict[int, float] = {}
    few = min(switches, SLOW_SWITCHES)
    calls = {"plain": lambda: plain.switch(few), "ours": lambda: bank.switch(switches)}
    for count in counts:
        bank.fill(count)
        plain.fill(count)
        in_turns(calls, 1)
        times = in_turns(calls, 1 if quick else 5)
        theirs[count], ours[count] = min(times["plain"]) / few, min(times["ours"]) / switches
    most, layers = counts[-1], len(find_targets(bank.bank.encoder, ALL_LAYERS.targets))
    listed = "; ".join(f"{count} loaded: {theirs[count] * 1e3:.2f} and {ours[count] * 1e3:.3f} ms" for count in counts)
    flat = ours[most] / ours[counts[0]]
    return Outcome(
        "adapter switching",
        f"{layers} layers, {most} adapters loaded; baseline: set_adapter of PEFT",
        theirs[most],
        ours[most],
        theirs[most] / ours[most],
        f"entry and exit; {listed}; {flat:.2f} times the time from {counts[0]} to {most}",
        "< 1 ms, flat",
        max(ours.values()) < LONGEST_SWITCH and flat <= FLATNESS,
    )


def adapter_mixing(quick: bool) -> Outcome:
    """A batch of eight adapters must reach 80 % of the throughput of a batch of one."""
    size, rounds = (QUICKLY_MIXED, 1) if quick else (MIXED, 5)
    more = "" if quick else f"; at width {MIXED_SMALL.dim}: {mixing_times(MIXED_SMALL, 9).describe()}"
    times = mixing_times(size, rounds)
    setting = f"MCN heads, width {size.dim}, {size.batch_size} rows, {NUM_MIXED} adapters; baseline: one adapter"
    one, mixed = median(times.wall["one"]), median(times.wall["mixed"])
    return compared("adapter mixing", setting, one, mixed, SMALLEST_THROUGHPUT, times.describe() + more)


@dataclass(frozen=True)
class MixingTimes:
    """Seconds of every way of encoding a batch, in turns: of the clock, and of all threads while they compute."""

    wall: Mapping[str, list[float]]
    processor: Mapping[str, list[float]]

    def describe(self) -> str:
        """Return the throughput of every way as a share of that with one adapter."""
        shown = []
        for way, name in (("mixed", "mixed"), ("groups", "group after group"), ("peft", "adapter_names of PEFT")):
            shares = (median(times["one"]) / median(times[way]) for times in (self.wall, self.processor))
            shown.append(f"{name} {next(shares):.0%} ({next(shares):.0%} by processor time)")
        return f"of the throughput with one adapter ({median(self.wall['one']) * 1e3:.0f} ms): {', '.join(shown)}"


def mixing_times(size: NetworkSize, rounds: int) -> MixingTimes:
    """Time a batch under one adapter, and the same batch with an adapter per row in each of the ways."""
    calls = mixing_calls(size)
    in_turns(calls, 1)
    times = MixingTimes({name: [] for name in calls}, {name: [] for name in calls})
    for _ in range(rounds):
        for name, call in calls.items():
            times.processor[name].append(processor_seconds(lambda n=name, c=call: times.wall[n].append(seconds(c))))
    return times


def mixing_calls(size: NetworkSize) -> dict[str, Callable[[], Mapping[str, Tensor]]]:
    """Return the ways of encoding a batch: the vectors of each are those of every row under its adapter."""
    held = (VIDEO.name, TEXT.name)
    ours, plain = OurBank.empty(size, held, LowRankConfig()), PlainBank.empty(size, held, LowRankConfig())
    ours.fill(NUM_MIXED)
    plain.fill(NUM_MIXED)
    bank, features = ours.bank, draw_batch(size, held).features
    names = [f"adapter{row % NUM_MIXED}" for row in range(size.batch_size)]
    plain_names = list(names)

    @torch.no_grad()
    def one() -> Mapping[str, Tensor]:
        with bank.using("adapter0") as encoder:
            return encoder(features, size.batch_size).vectors

    @torch.no_grad()
    def by_groups() -> Mapping[str, Tensor]:
        found = {name: torch.zeros(size.batch_size, size.dim) for name in held}
        for number in range(NUM_MIXED):
            rows = torch.arange(number, size.batch_size, NUM_MIXED)
            with bank.using(f"adapter{number}") as encoder:
                part = encoder(_chosen(features, rows), len(rows)).vectors
            for name in held:
                found[name][rows] = part[name]
        return found

    @torch.no_grad()
    def by_peft() -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = plain.model(features, size.batch_size, adapter_names=plain_names).vectors
        return found

    return {
        "one": one,
        "mixed": lambda: bank.encode(features, size.batch_size, names).vectors,
        "groups": by_groups,
        "peft": by_peft,
    }


@dataclass
class OurBank:
    """Our side: a bank, and the adapter that is put in it under many names."""

    bank: AdapterBank
    saved: SavedAdapter
    sides: tuple[str, ...]

    @classmethod
    def empty(cls, size: NetworkSize, names: tuple[str, ...], config: LowRankConfig) -> OurBank:
        """Return a bank without adapters."""
        twin = LowRank(build_encoder(size, names))
        twin.attach("new", config, [f"encoders.{name}" for name in names])
        return cls(AdapterBank(build_encoder(size, names).eval(), BASE_HASH), twin.saved("new"), names)

    def fill(self, count: int) -> None:
        """Add adapters until there are `count`, each with tensors of its own."""
        for number in range(len(self.bank.names), count):
            name = f"adapter{number}"
            saved = SavedAdapter(self.saved.settings, drawn_tensors(self.saved.tensors, number))
            identity = AdapterIdentity(
                name=name,
                left=self.sides[:1],
                right=self.sides[1:],
                sides=self.sides,
                base=BASE_HASH,
                weights=saved.hash,
                preprocessing={},
                dataset="benchmark",
                dataset_fingerprint="benchmark",
                learnt="drawn at random",
            )
            self.bank.add(saved, identity)

    def switch(self, times: int) -> None:
        """Enter and leave the adapters one after the other."""
        for number in range(times):
            with self.bank.using(f"adapter{number % len(self.bank.names)}"):
                pass


@dataclass
class PlainBank:
    """PEFT's side: its own model over the same base, with the same tensors."""

    model: Any
    config: peft.LoraConfig
    count: int = 1

    @classmethod
    def empty(cls, size: NetworkSize, names: tuple[str, ...], config: LowRankConfig) -> PlainBank:
        """Return a model with one adapter, which PEFT asks for."""
        encoder: JointEncoder = build_encoder(size, names).eval()
        layers = list(find_targets(encoder, config.targets))
        plain = peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules=layers)  # type: ignore[arg-type]
        found = cls(peft.get_peft_model(encoder, copy.deepcopy(plain), adapter_name="adapter0").eval(), plain)
        found._draw(0)
        return found

    def fill(self, count: int) -> None:
        """Add adapters until there are `count`."""
        for number in range(self.count, count):
            self.model.add_adapter(f"adapter{number}", copy.deepcopy(self.config))
            self._draw(number)
        self.count = max(count, self.count)
        self.model.eval()

    def switch(self, times: int) -> None:
        """Set the adapters one after the other."""
        for number in range(times):
            self.model.set_adapter(f"adapter{number % self.count}")

    def _draw(self, number: int) -> None:
        name = f"adapter{number}"
        own = peft.get_peft_model_state_dict(self.model, adapter_name=name)
        peft.set_peft_model_state_dict(self.model, drawn_tensors(own, number), adapter_name=name)


def drawn_tensors(shapes: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """Return small random tensors of the given names and shapes, the same ones for every side."""
    generator = torch_generator(number, "benchmark adapter")
    return {name: 0.02 * torch.randn(shapes[name].shape, generator=generator) for name in sorted(shapes)}


def _chosen(features: Mapping[str, Features], rows: Tensor) -> dict[str, Features]:
    places = torch.arange(len(rows))
    return {
        name: Features(held.values[rows], places, None if held.lengths is None else held.lengths[rows])
        for name, held in features.items()
    }

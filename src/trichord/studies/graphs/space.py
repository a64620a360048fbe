"""The graphs that a search may try, and how named draws become one of them.

The networks of a graph are n0, the target, and n1, n2, ..., its peers; an ensemble of all of them, where the space has
one, is called mean. Every graph draws every parameter, also those that turn out not to matter (the payload of an edge
that is Cutoff): the space is the same for every trial, so that samplers can model it and importance is defined.

| parameter | what it says |
|---|---|
| kind n1 | which kind of network a peer is |
| label n0 | gate of a label edge |
| gate n1>n0 | gate of an edge |
| payload, temperature, effect n1>n0 | what the edge passes, at which temperature, and whether it pulls or pushes |

A parameter with one choice is none. A peer all of whose incoming edges, label edge included, are drawn Cutoff is a
frozen network, or adapter, that was trained alone, as published. A draw that leaves the target so is no graph at all:
the samplers draw again before anything becomes a trial (published: such a trial is counted and thrown away), so that
every trial is one that was trained, and every sampler's model is of graphs that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.graphs.building import build_graph
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, Effect, GraphConfig, NodeConfig
from trichord.graphs.payload import PayloadConfig
from trichord.graphs.words import gate_word
from trichord.randomness import derive_seed

Ask = Callable[[str, Sequence[Any]], Any]
"""(name of a parameter, its choices) -> the choice."""
TARGET = "n0"
ENSEMBLE = "mean"
TARGET_KIND = "target"
MOST_DRAWS = 1000

THROUGH = GateConfig(kind="through")
CUTOFF = GateConfig(kind="cutoff")
PUBLISHED_GATES = (THROUGH, CUTOFF, GateConfig(kind="linear"), GateConfig(kind="correct"))
LABEL_GATES = (THROUGH, CUTOFF, GateConfig(kind="linear"))


@dataclass(frozen=True, kw_only=True)
class SearchSpace(Config):
    """The graphs that may be tried.

    Args:
        own: the target's node, with role "target".
        kinds: name -> a kind of network that a peer may be, with role "peer"; the names are those of folders.
        num_nodes: networks of every graph, the target among them.
        gates: of edges between nodes.
        label_gates: of label edges. "correct" equals "through" there and is left out.
        payloads: name -> what an edge may pass.
        temperatures: tried in place of the payload's own; none keeps that.
        effects: "pull" and, where wanted, "push" (the follow-up work of 2021).
        ensemble: whether the mean of all networks may teach each of them.
    """

    own: NodeConfig
    kinds: dict[str, NodeConfig]
    num_nodes: int = 3
    gates: tuple[GateConfig, ...] = PUBLISHED_GATES
    label_gates: tuple[GateConfig, ...] = LABEL_GATES
    payloads: dict[str, PayloadConfig]
    temperatures: tuple[float, ...] = ()
    effects: tuple[Effect, ...] = ("pull",)
    ensemble: bool = False

    def __post_init__(self) -> None:
        if self.own.role != "target" or any(kind.role != "peer" for kind in self.kinds.values()):
            raise ConfigError("in a search space the own node has the role target, and every kind the role peer")
        if self.num_nodes < 2 or not self.kinds:
            raise ConfigError(
                f"a search needs two nodes or more, and a kind that the peers can be; got {self.num_nodes} nodes and "
                f"{len(self.kinds)} kinds"
            )
        for name, choices in (("gates", self.gates), ("label_gates", self.label_gates), ("effects", self.effects)):
            if not choices or len(set(choices)) != len(choices):
                raise ConfigError(f"a search space names each of its {name} once, at least one; got {choices}")
        if not self.payloads:
            raise ConfigError("a search space needs a payload that edges can pass, for instance similarity")
        if any(not temperature > 0 for temperature in self.temperatures):
            raise ConfigError(f"a temperature is above 0, got {self.temperatures}")
        if not any(gate.open for gate in (*self.gates, *self.label_gates)):
            raise ConfigError("every gate of the search space is Cutoff, so that no graph of it learns; add through")
        self._check_payloads()

    @property
    def own_kind(self) -> str:
        """Name of the target's own kind: that of the kind it equals, or "target" where peers are never like it."""
        own = replace(self.own, role="peer")
        return next((name for name, kind in self.kinds.items() if kind == own), TARGET_KIND)

    @property
    def trained_alone(self) -> dict[str, NodeConfig]:
        """Name -> every kind that is trained alone: those of peers, and the target's own."""
        return {**self.kinds, self.own_kind: replace(self.own, role="peer")}

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks of every graph, the target first."""
        return tuple(f"n{number}" for number in range(self.num_nodes))

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(source, target) of every edge that a graph may have."""
        sources = (*self.networks, *([ENSEMBLE] if self.ensemble else []))
        return tuple((s, t) for t in self.networks for s in sources if s != t)

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return name of a parameter -> its choices, of those that have more than one."""
        every: dict[str, tuple[Any, ...]] = {f"kind {name}": tuple(self.kinds) for name in self.networks[1:]}
        every |= {f"label {name}": tuple(map(gate_word, self.label_gates)) for name in self.networks}
        for source, target in self.edges:
            edge = f"{source}>{target}"
            every[f"gate {edge}"] = tuple(map(gate_word, self.gates))
            every[f"payload {edge}"] = self._payloads_from(source)
            every[f"temperature {edge}"] = self.temperatures
            every[f"effect {edge}"] = self.effects
        return {name: choices for name, choices in every.items() if len(choices) > 1}

    def sample(self, ask: Ask, starts: Mapping[str, str]) -> GraphConfig | None:
        """Ask for every parameter, and return the graph; None where the target would never learn.

        Args:
            ask: gives a choice for every parameter.
            starts: kind -> folder of the network of that kind that was trained alone, for peers that are frozen.
        """
        return self.graph({name: ask(name, choices) for name, choices in self.parameters().items()}, starts)

    def learns(self, drawn: Mapping[str, Any]) -> bool:
        """Whether the target learns in the graph of these draws."""
        return TARGET in self._learning(drawn)

    def graph(self, drawn: Mapping[str, Any], starts: Mapping[str, str]) -> GraphConfig | None:
        """Return the graph of these draws, see `sample`."""
        if not self.learns(drawn):
            return None
        kinds = {name: self.kind(drawn, name) for name in self.networks[1:]}
        nodes = {TARGET: self.own, **{name: self.kinds[kind] for name, kind in kinds.items()}}
        if self.ensemble:
            nodes[ENSEMBLE] = NodeConfig(role="ensemble", members=self.networks)
        return build_graph(
            nodes,
            [self._edge(drawn, source, target) for source, target in self.edges],
            {name: self._gate(drawn, f"label {name}", self.label_gates) for name in self.networks},
            {name: starts[kind] for name, kind in kinds.items() if kind in starts},
        )

    def kind(self, drawn: Mapping[str, Any], name: str) -> str:
        """Return which kind a peer is in the graph of these draws."""
        return str(drawn.get(f"kind {name}", next(iter(self.kinds))))

    def frozen_kinds(self, drawn: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the kinds of the peers that are frozen in the graph of these draws."""
        learning = self._learning(drawn)
        frozen = [self.kind(drawn, name) for name in self.networks[1:] if name not in learning]
        return tuple(dict.fromkeys(frozen))

    def _learning(self, drawn: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the networks of which an incoming edge is open."""
        reached = {name for name in self.networks if self._gate(drawn, f"label {name}", self.label_gates).open}
        reached |= {t for s, t in self.edges if self._gate(drawn, f"gate {s}>{t}", self.gates).open}
        return tuple(name for name in self.networks if name in reached)

    def _gate(self, drawn: Mapping[str, Any], name: str, gates: Sequence[GateConfig]) -> GateConfig:
        word = drawn.get(name, gate_word(gates[0]))
        return next(gate for gate in gates if gate_word(gate) == word)

    def _edge(self, drawn: Mapping[str, Any], source: str, target: str) -> EdgeConfig:
        edge = f"{source}>{target}"
        payload = self.payloads[drawn.get(f"payload {edge}", self._payloads_from(source)[0])]
        if self.temperatures:
            payload = at_temperature(payload, drawn.get(f"temperature {edge}", self.temperatures[0]))
        return EdgeConfig(
            source=source,
            target=target,
            payload=payload,
            gate=self._gate(drawn, f"gate {edge}", self.gates),
            effect=drawn.get(f"effect {edge}", self.effects[0]),
        )

    def _payloads_from(self, source: str) -> tuple[str, ...]:
        """Return the names of the payloads that a source can pass: an ensemble has no vectors."""
        return tuple(name for name, payload in self.payloads.items() if source != ENSEMBLE or not payload.needs_vectors)

    def _check_payloads(self) -> None:
        """Raise `ConfigError` unless every edge of the space can pass every one of its payloads."""
        classifies = self.own.classifies
        for name, kind in self.kinds.items():
            if kind.classifies != classifies:
                raise ConfigError(
                    f"the target {'classifies' if classifies else 'compares two sides'} and the kind {name} does not; "
                    "in one search space all nodes answer alike"
                )
        for name, payload in self.payloads.items():
            if payload.answers not in ("classes" if classifies else "sides", "both"):
                raise ConfigError(
                    f"the payload {name} is passed between nodes that "
                    f"{'classify' if payload.answers == 'classes' else 'compare two sides'}, which those of this "
                    "search space do not; leave it out"
                )
        if self.ensemble and not self._payloads_from(ENSEMBLE):
            raise ConfigError("an ensemble has no vectors, which every payload of the space needs; add similarity")


def at_temperature(payload: PayloadConfig, temperature: float) -> PayloadConfig:
    """Return a payload with another temperature; one that has none stays as it is."""
    has_one = any(field.name == "temperature" for field in fields(payload))
    return replace(payload, temperature=temperature) if has_one else payload  # type: ignore[call-arg]


def draw(space: SearchSpace, seed: int, place: int) -> dict[str, Any]:
    """Draw a graph uniformly from those of the space whose target learns.

    Every value is a function of the seed, the place of the graph in the search, the name of the parameter, and how
    often was drawn again: it does not depend on which worker draws, nor on what was drawn before.

    Raises:
        ConfigError: in a thousand draws the target never learns.
    """
    parameters = space.parameters()
    for again in range(MOST_DRAWS):
        drawn = {
            name: choices[derive_seed(seed, f"graph search {name}", place, again) % len(choices)]
            for name, choices in parameters.items()
        }
        if space.learns(drawn):
            return drawn
    raise ConfigError("of a thousand graphs drawn from the search space none has a target that learns; add gates to it")

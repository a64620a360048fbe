"""The search space that is tried where nobody says otherwise, and reading one from words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trichord.data import DatasetSpec
from trichord.errors import ConfigError, nearest
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import Effect, NodeConfig
from trichord.graphs.node_text import spell_node
from trichord.graphs.words import PAYLOADS, read_gate
from trichord.modality import Modality
from trichord.recipes.node_kinds import node_kinds
from trichord.studies.graphs.space import LABEL_GATES, PUBLISHED_GATES, SearchSpace


def default_space(
    spec: DatasetSpec,
    task: str,
    recipe: str,
    *,
    num_nodes: int = 3,
    kinds: Sequence[NodeConfig] = (),
    gates: Sequence[str] = (),
    label_gates: Sequence[str] = (),
    payload_words: Sequence[str] = (),
    temperatures: Sequence[float] = (),
    effects: Sequence[Effect] = ("pull",),
    ensemble: bool = False,
) -> SearchSpace:
    """Return the space of a task.

    Args:
        spec: of the data.
        task: what the target is scored by.
        recipe: of nodes that compare two sides.
        num_nodes: networks of every graph.
        kinds: what peers may be; empty: what the recipe offers.
        gates: words of gates; empty: the four published ones.
        label_gates: likewise; empty: those of the published ones that differ on a label edge.
        payload_words: words of payloads; empty: similarity, or logits for classes.
        temperatures: tried in place of the payloads' own.
        effects: pull and push.
        ensemble: whether the mean of all networks may teach.

    Raises:
        ConfigError: an unknown word, or parts that do not fit together.
    """
    own, *_ = offered = node_kinds(spec, task, recipe)
    known = tuple(entry.modality for entry in spec.modalities)
    words = tuple(payload_words) or (("logits",) if own.classifies else ("similarity",))
    for word in words:
        if word not in PAYLOADS:
            raise ConfigError(f"there is no payload {word!r}; {nearest(word, tuple(PAYLOADS))}")
    return SearchSpace(
        own=replace(own, role="target"),
        kinds={kind_name(kind, known): kind for kind in tuple(kinds) or offered},
        num_nodes=num_nodes,
        gates=_read_gates(gates) or PUBLISHED_GATES,
        label_gates=_read_gates(label_gates) or LABEL_GATES,
        payloads={word: PAYLOADS[word] for word in words},
        temperatures=tuple(temperatures),
        effects=tuple(effects),
        ensemble=ensemble,
    )


def kind_name(kind: NodeConfig, known: Sequence[Modality]) -> str:
    """Name a kind of node so that it can be a folder: "T-V", "T-V-of-VAT", "T-V-model-wide", "I-digit"."""
    _, *words = spell_node(kind, known).split()
    return "-".join(words).replace("=", "-").replace(">", "-").replace("/", "-")


def _read_gates(words: Sequence[str]) -> tuple[GateConfig, ...]:
    return tuple(read_gate(word) for word in words)

"""`trichord graph show`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.errors import ConfigError, nearest
from trichord.graphs.graph import GraphConfig
from trichord.graphs.reading import read_graph
from trichord.reports.graphs.drawing import write_drawing
from trichord.reports.graphs.facts import graph_facts
from trichord.reports.graphs.graph_terminal import print_graph

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class GraphShow:
    """Say what a knowledge transfer graph is, and draw it; nothing is trained.

    Args:
        graph: file of a graph, *.txt or *.json, or the graph itself: "tv: target T-V; label -> tv: through".
        data: folder of the data set, whose modalities the graph's letters are.
        out: draw it into this file, *.svg or *.png.
        json: print JSON.
    """

    graph: Positional[str]
    data: Path
    out: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(GraphShow, arguments, "trichord graph show")
    dataset = Dataset.open(command.data)
    graph = read_graph(command.graph, dataset.modalities)
    _check_labels(graph, dataset)
    if command.out is not None:
        _draw(command.out, graph, dataset)
    if command.json:
        facts = graph_facts(graph, dataset.modalities).to_dict()
        print(json.dumps({"version": VERSION, **facts, "graph": graph.to_dict()}))
        return
    print_graph(graph, dataset.modalities)
    if command.out is not None:
        print(f"\ndrawing: {command.out}")


def _check_labels(graph: GraphConfig, dataset: Dataset) -> None:
    for name, node in graph.nodes.items():
        if node.classifies and node.label not in dataset.labels:
            known = nearest(node.label, dataset.labels) if dataset.labels else "the data set has none"
            raise ConfigError(f"node {name} tells the label {node.label!r} apart, which is no label column; {known}")


def _draw(out: Path, graph: GraphConfig, dataset: Dataset) -> None:
    if out.suffix not in (".svg", ".png"):
        raise ConfigError(f"a drawing is a .svg or a .png file, got {out}; give it one of these endings")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name a file")
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {out.parent}; make it, or name another file")
    svg, png = (out if out.suffix == suffix else None for suffix in (".svg", ".png"))
    write_drawing(svg, png, graph, dataset.modalities)

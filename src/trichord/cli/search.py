"""`trichord search`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import parse_command
from trichord.files import write_json
from trichord.runs.search import Hits, search
from trichord.runs.vectors import load_vectors

PRINTED = 20


@dataclass(frozen=True, kw_only=True)
class Search:
    """Find the best rows of stored vectors for each stored query, exactly.

    Both files come from `trichord encode`. Vectors of different spaces are refused, with what has to be re-embedded.

    Args:
        queries: file of the query side.
        gallery: file of the gallery side.
        top: how many to find for each query.
        out: JSON file to write all hits to.
        json: print JSON.
    """

    queries: Path
    gallery: Path
    top: int = 10
    out: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Search, arguments, "trichord search")
    hits = search(load_vectors(command.queries), load_vectors(command.gallery), command.top)
    if command.out is not None:
        write_json(command.out, hits.to_dict())
    if command.json:
        print(json.dumps(hits.to_dict()))
    else:
        _show(hits)


def _show(hits: Hits) -> None:
    print(f"{len(hits.queries):,} queries among {len(hits.gallery):,}: {hits.queries.stamp.route}")
    for result in hits.to_dict()["results"][:PRINTED]:
        found = "  ".join(f"{_name(hit)} {hit['score']:.3f}" for hit in result["hits"])
        print(f"{_name(result)}: {found}")
    if len(hits.queries) > PRINTED:
        print(f"and {len(hits.queries) - PRINTED:,} more; see all with --json or --out")


def _name(row: dict[str, object]) -> str:
    return f"{row['id']}" + (f"#{row['instance']}" if row["instance"] else "")

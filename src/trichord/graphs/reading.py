"""Reading a graph from wherever a user keeps it: a file of either form, or the text itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trichord.config import from_dict
from trichord.errors import ConfigError
from trichord.files import is_file, read_json
from trichord.graphs.graph import GraphConfig
from trichord.graphs.text import check_letters, parse_graph
from trichord.modality import Modality

EXAMPLE = "tv: target T-V; label -> tv: through"


def read_graph(path_or_text: str | Path, known: Sequence[Modality]) -> GraphConfig:
    """Read a graph.

    Args:
        path_or_text: an existing file, *.txt in the text form or *.json in that of `GraphConfig.to_dict`; or else the
            text form itself, which always has a colon.
        known: the modalities of the data set.

    Raises:
        ConfigError: nothing, neither a file nor a text, a file of another kind, or a graph that breaks a rule.
        DataError: a file that is not JSON.
    """
    if not str(path_or_text).strip():
        raise ConfigError(f"the graph is empty; name a file, or write one out, such as: {EXAMPLE}")
    path = Path(path_or_text)
    if is_file(path):
        return _read_file(path, known)
    if isinstance(path_or_text, str) and ":" in path_or_text:
        return parse_graph(path_or_text, known)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name the file of the graph in it, such as {path / 'graph.txt'}")
    raise ConfigError(
        f"{path} is no file that exists, and no graph either, which would have a colon, such as: {EXAMPLE}"
    )


def _read_file(path: Path, known: Sequence[Modality]) -> GraphConfig:
    try:
        if path.suffix == ".txt":
            return parse_graph(path.read_text(encoding="utf-8"), known)
        if path.suffix == ".json":
            return _rebuild(read_json(path), known)
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    raise ConfigError(f"{path} is neither .txt, a graph's text, nor .json, its plain data; give it its name")


def _rebuild(data: object, known: Sequence[Modality]) -> GraphConfig:
    try:
        graph = from_dict(data)  # type: ignore[arg-type]  # what is no mapping is caught here
    except ConfigError:
        raise
    except (TypeError, AttributeError, ImportError, ValueError) as error:
        raise ConfigError(f"it holds no graph ({error}); write it again with GraphConfig.to_dict") from error
    if not isinstance(graph, GraphConfig):
        raise ConfigError(f"it holds a {type(graph).__name__}, not a graph; name another file")
    check_letters(graph, known)
    return graph

"""What makes a node of a graph a valid one by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from torch import nn

from trichord.errors import ConfigError, nearest

if TYPE_CHECKING:
    from trichord.graphs.graph import NodeConfig

LABEL = "label"
"""What stands before the arrow of a label edge, and therefore is no node's name."""
RESERVED = frozenset({LABEL, *dir(nn.ModuleDict())})
"""Names that no node can have: those that mean something else where nodes are kept."""


def check_name(name: str) -> None:
    """Raise `ConfigError` where a node cannot be called so."""
    if not (name.isidentifier() and name.isascii()):
        raise ConfigError(f"a node's name is made of letters, digits and _, beginning with a letter; got {name!r}")
    if name in RESERVED:
        raise ConfigError(f"no node can be called {name!r}, which has a meaning of its own; choose another name")


def check_node(name: str, node: NodeConfig) -> None:
    """Raise `ConfigError` where what a node is contradicts its role."""
    from trichord.graphs.graph import Role  # which imports this file

    roles = get_args(Role)
    if node.role not in roles:
        raise ConfigError(f"node {name} has the role {node.role!r}; {nearest(node.role, roles)}")
    if node.role == "ensemble":
        extra = [
            field for field in ("left", "right", "label", "order", "model", "adapter", "start") if getattr(node, field)
        ]
        if extra:
            raise ConfigError(f"node {name} is an ensemble, which has only members; leave out {', '.join(extra)}")
        return
    if node.members:
        raise ConfigError(f"node {name} has members, but is no ensemble; leave them out, or call it an ensemble")
    if node.classifies:
        if not node.left or node.right or node.order:
            raise ConfigError(
                f"node {name} tells the label {node.label!r} apart: it has modalities on its left, none on its right "
                "and no order of them; for a node that compares two sides leave the label out"
            )
        if node.adapter:
            raise ConfigError(
                f"node {name} is an adapter, which compares two sides, and cannot classify; give it a model"
            )
    elif not node.left or not node.right or set(node.left) & set(node.right):
        raise ConfigError(
            f"node {name} compares two sides, which must be filled and disjoint; got {node.left} and {node.right}. "
            "Give it two such sides, or a label to tell apart"
        )
    if node.role == "frozen" and not node.adapter and not node.start:
        raise ConfigError(
            f"node {name} is frozen and has no weights to begin with; name the run that it comes from: from RUN"
        )

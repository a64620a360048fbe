"""What a node learns from in a step: its own loss and what its incoming edges pass, each through its gate."""

from __future__ import annotations

from collections.abc import Mapping

from trichord.graphs.gates import apply_gate, label_factor
from trichord.graphs.graph import EdgeConfig, GraphConfig
from trichord.graphs.output import NodeOutput
from trichord.graphs.overlap import shared_cells
from trichord.graphs.payload import Payload
from trichord.graphs.truth import right_rows
from trichord.objectives import LossTerms
from trichord.randomness import derive_seed
from trichord.shapes import Float, Tensor


def edge_loss(
    edge: EdgeConfig, payload: Payload, source: NodeOutput, target: NodeOutput, progress: float, seed: int
) -> Float[Tensor, ""]:
    """Return the loss of an edge: its payload's losses through its gate, times its weight.

    The gate correct judges each loss by the row of the source's table that is its item, `RowLosses.rows`. A loss along
    a column is therefore kept where the source is right about the row of the same item, not where it is about the
    column, and never where the source does not hold that row.

    Args:
        edge: which edge; one that is cut gives 0 without a comparison, and without a way back.
        payload: the module that its payload was built to.
        source: what the source says; its gradient is cut here.
        target: what the learning node says.
        progress: how far training is, from 0 to 1.
        seed: of this step; every edge draws from one of its own, derived from it.
    """
    if not edge.gate.open:
        return target.table.values.new_zeros(())
    source = source.detached()
    losses = payload(source, target, push=edge.effect == "push", seed=derive_seed(seed, edge.name))
    right = None
    if edge.gate.kind == "correct":
        columns = shared_cells(source.table, target.table).columns
        right = right_rows(source.table, losses.rows, columns, edge.gate.top)
    return edge.weight * apply_gate(edge.gate, losses.values, progress, right)


def node_terms(
    graph: GraphConfig,
    name: str,
    outputs: Mapping[str, NodeOutput],
    payloads: Mapping[str, Payload],
    progress: float,
    seed: int,
) -> LossTerms | None:
    """Return a node's loss, L_t = G_tt(own loss) + sum_s G_st(edge losses) (Minami et al., ACCV 2020).

    There is a term for each term of its own loss, under its name, and one "from SOURCE" for each open incoming edge, in
    the order of the graph. A label edge that is through or correct leaves its own terms as they are, bit for bit; one
    that is cut leaves them out, as an edge that is cut is left out.

    Args:
        graph: the graph.
        name: the learning node.
        outputs: name of node -> what it says about the batch; the sources, ensembles included, and the node itself.
        payloads: name of edge -> its payload.
        progress: how far training is, from 0 to 1: step / (number of steps - 1) over the whole training.
        seed: of this step.

    Returns:
        The terms, or None where no label edge and no incoming edge is open: the node learns nothing.

    Raises:
        ValueError: the label edge is open and the node has no loss of its own.
    """
    target = outputs[name]
    terms: dict[str, Tensor] = {}
    gate = graph.labels.get(name)
    if gate is not None and gate.open:
        if target.label is None:
            raise ValueError(f"the label edge of {name} is open, but it has no loss of its own")
        factor = label_factor(gate, progress)
        terms = {term: loss if factor == 1.0 else factor * loss for term, loss in target.label.terms.items()}
    for edge in graph.incoming(name):
        source = outputs[edge.source]
        terms[f"from {edge.source}"] = edge_loss(edge, payloads[edge.name], source, target, progress, seed)
    return LossTerms(terms) if terms else None

from __future__ import annotations

import numpy as np
import pytest
import torch
from graph_outputs import classify, compare, made, permuted, randn

from trichord.graphs.ensemble import ensemble_output
from trichord.graphs.output import NodeOutput, Table


def test_every_cell_is_the_mean_of_all_members_where_all_hold_it() -> None:
    members = [made(seed=1, no_left=(0,)), made(seed=2, no_right=(2, 3)), made(seed=3, no_left=(5,), no_right=(2,))]
    found = ensemble_output(members)
    assert found.table.rows.tolist() == [i not in (0, 5) for i in range(7)]
    assert found.table.columns.tolist() == [j not in (2, 3) for j in range(7)]
    for i in range(7):
        for j in range(7):
            if found.table.rows[i] and found.table.columns[j]:
                expected = np.mean([float(member.table.values[i, j]) for member in members])
                np.testing.assert_allclose(float(found.table.values[i, j]), expected, rtol=1e-12)


def test_it_has_no_loss_no_vectors_and_no_way_back() -> None:
    left = randn(7, 5).requires_grad_()
    found = ensemble_output([compare(left, randn(7, 5, seed=1)), made(seed=2)])
    assert found.label is None
    assert not found.sides
    assert not found.table.values.requires_grad
    assert not found.classifies


def test_of_one_member_it_is_the_member() -> None:
    member = made(seed=1, no_left=(0,))
    found = ensemble_output([member]).table
    for name in ("values", "rows", "columns", "truth"):
        assert torch.equal(getattr(found, name), getattr(member.table, name))


def test_the_order_of_members_and_items_does_not_matter() -> None:
    members = [made(seed=seed, no_right=(seed,)) for seed in range(3)]
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    one = ensemble_output(members)
    torch.testing.assert_close(ensemble_output(members[::-1]).table.values, one.table.values)
    turned = ensemble_output([permuted(member, order) for member in members])
    torch.testing.assert_close(turned.table.values, permuted(one, order).table.values)
    assert torch.equal(turned.table.columns, one.table.columns[order])


def test_classifiers_are_averaged_in_logits() -> None:
    truth = torch.tensor([0, 1, 2, 1])
    logits = [randn(4, 3, seed=seed) for seed in range(3)]
    found = ensemble_output([classify(each, truth) for each in logits])
    torch.testing.assert_close(found.table.values, torch.stack(logits).mean(0))
    assert found.classifies
    assert torch.equal(found.table.truth, truth)


def test_half_precision_is_added_up_in_full() -> None:
    table = made().table
    half = NodeOutput(None, Table(table.values.to(torch.bfloat16), table.rows, table.columns, table.truth), {})
    found = ensemble_output([half, half])
    assert found.table.values.dtype == torch.float32


def test_an_answer_that_one_member_knows_is_known() -> None:
    logits = randn(3, 2)
    members = [classify(logits, torch.tensor([0, -1, -1])), classify(logits, torch.tensor([0, 1, -1]))]
    assert ensemble_output(members).table.truth.tolist() == [0, 1, -1]
    with pytest.raises(ValueError, match="right answers differ"):
        ensemble_output([*members, classify(logits, torch.tensor([1, 1, -1]))])


def test_members_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        ensemble_output([])
    with pytest.raises(ValueError, match="one kind"):
        ensemble_output([made(count=3), classify(randn(3, 3), torch.arange(3))])
    with pytest.raises(ValueError, match="the same answers"):
        ensemble_output([made(count=3), made(count=4)])

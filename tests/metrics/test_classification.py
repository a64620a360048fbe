from __future__ import annotations

import numpy as np
import pytest
import torch

from trichord.errors import ProtocolError
from trichord.metrics.classification import classify_by_name


def draw(items: int, classes: int, dim: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(items, dim, generator=generator),
        torch.randn(classes, dim, generator=generator),
        torch.randint(0, classes, (items,), generator=generator),
    )


@pytest.mark.parametrize("best", [1, 3, 5])
def test_as_sorted_by_numpy(best):
    items, names, classes = draw(60, 7)
    order = np.argsort(-(items.double() @ names.double().T).numpy(), axis=1)[:, :best]
    right = np.array([number in row for number, row in zip(classes.tolist(), order, strict=True)])
    found = classify_by_name(items, names, classes)
    np.testing.assert_array_equal(found.right(best), right)
    assert found.accuracy(best) == pytest.approx(100 * right.mean())
    groups = [right[classes.numpy() == number].mean() for number in sorted(set(classes.tolist()))]
    assert found.mean_class_accuracy(best) == pytest.approx(100 * np.mean(groups))
    assert found.mean_class_accuracy(best) != pytest.approx(found.accuracy(best)), "classes differ in size"


def test_one_item_per_axis():
    found = classify_by_name(torch.eye(3), 2 * torch.eye(3), torch.tensor([0, 1, 1]))
    assert found.right().tolist() == [1.0, 1.0, 0.0]
    assert found.accuracy() == pytest.approx(200 / 3)
    assert found.mean_class_accuracy() == pytest.approx(75.0), "class 2 has no item and counts in no average"


def test_names_that_are_the_same_share_the_chance():
    names = torch.ones(4, 2)
    found = classify_by_name(torch.ones(5, 2), names, torch.tensor([0, 1, 2, 3, 3]))
    assert found.right().tolist() == pytest.approx([0.25] * 5)
    assert found.accuracy(2) == pytest.approx(50.0)
    assert found.accuracy(9) == pytest.approx(100.0)


def test_the_order_of_classes_does_not_matter():
    items, names, classes = draw(40, 6, seed=3)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    moved = classify_by_name(items, names[order], torch.argsort(order)[classes])
    np.testing.assert_array_equal(moved.right(), classify_by_name(items, names, classes).right())


@pytest.mark.parametrize(
    ("classes", "message"), [([0, 4], "numbered 0 to 3, .* found 4"), ([-1, 0], "numbered 0 to 3, .* found -1")]
)
def test_a_class_without_a_name(classes, message):
    with pytest.raises(ProtocolError, match=message):
        classify_by_name(torch.ones(2, 3), torch.ones(4, 3), torch.tensor(classes))


def test_nothing_to_classify_and_broken_vectors():
    with pytest.raises(ProtocolError, match="there is no item to classify"):
        classify_by_name(torch.ones(0, 3), torch.ones(4, 3), torch.zeros(0, dtype=torch.long))
    with pytest.raises(ProtocolError, match="gallery row 1 is zero"):
        classify_by_name(torch.ones(1, 2), torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([0]))

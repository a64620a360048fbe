from __future__ import annotations

import json

import numpy as np
import pytest
from evaluation_maker import noisy_tables, table

from trichord.errors import ProtocolError
from trichord.evaluation.space import SpaceReport, average_reports, describe_pair
from trichord.metrics.hubness import chance_hubness
from trichord.metrics.uniformity import uniformity
from trichord.modality import Pair

PAIR = Pair(("text",), ("video",))
NAMES = ("video", "audio", "text")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_first_caption_stands_for_an_item_and_items_without_a_side_are_counted() -> None:
    generator = np.random.default_rng(0)
    text, video = (generator.normal(size=(number, 8)).astype(np.float32) for number in (6, 3))
    owners = [0, 0, 2, 2, 2, 3]
    tables = {"text": table(text, owners), "video": table(video, [0, 1, 3])}
    found = describe_pair(tables, PAIR, np.arange(5))
    left, right = unit(text[[0, 5]]), unit(video[[0, 2]])
    assert (found.num_items, found.num_left_out) == (2, 3)
    assert found.gap == pytest.approx(np.linalg.norm(left.mean(axis=0) - right.mean(axis=0)), rel=1e-5)
    assert found.alignment == pytest.approx(np.mean(((left - right) ** 2).sum(axis=1)), rel=1e-5)
    assert found.chance_alignment == pytest.approx(np.mean(((left - right[::-1]) ** 2).sum(axis=1)), rel=1e-5)
    assert found.left_uniformity == pytest.approx(-2 * ((left[0] - left[1]) ** 2).sum(), rel=1e-4)
    assert found.left_to_right is None, "no more items than the depth"


def test_both_directions_and_length_do_not_matter() -> None:
    tables = noisy_tables(60, 12, 0.8, 0, NAMES)
    found = describe_pair(tables, PAIR, np.arange(60))
    back = describe_pair(tables, Pair(("video",), ("text",)), np.arange(60))
    assert (back.left_to_right, back.right_to_left) == (found.right_to_left, found.left_to_right)
    assert (back.gap, back.alignment) == (pytest.approx(found.gap), pytest.approx(found.alignment))
    longer = tables | {"video": table(tables["video"].vectors * np.linspace(0.1, 9.0, 60)[:, None])}
    assert describe_pair(longer, PAIR, np.arange(60)).alignment == pytest.approx(found.alignment, rel=1e-5)
    assert found.chance_hubness == chance_hubness(60, 60)
    assert found.alignment < found.chance_alignment


def test_a_side_of_several_is_the_sum_of_unit_vectors() -> None:
    tables = noisy_tables(40, 12, 0.8, 1, NAMES)
    both = unit(unit(tables["video"].vectors) + unit(tables["audio"].vectors))
    found = describe_pair(tables, Pair(("text",), ("video", "audio")), np.arange(40), adapter="T-VA")
    assert found.right_uniformity == pytest.approx(uniformity(both), abs=1e-4)
    assert found.adapter == "T-VA"
    written = json.loads(json.dumps(found.to_dict()))
    assert written["right"] == ["video", "audio"]
    assert written["left_to_right"]["k"] == 10


def test_reports_of_several_seeds_are_averaged_and_unlike_ones_refused() -> None:
    reports = [describe_pair(noisy_tables(30, 12, 0.8, seed, NAMES), PAIR, np.arange(30)) for seed in range(3)]
    mean = average_reports(reports)
    assert mean.gap == pytest.approx(np.mean([report.gap for report in reports]))
    skewness = [report.left_to_right.skewness for report in reports if report.left_to_right is not None]
    assert mean.left_to_right is not None
    assert mean.left_to_right.skewness == pytest.approx(np.mean(skewness))
    other: SpaceReport = describe_pair(noisy_tables(30, 12, 0.8, 0, NAMES), Pair(("text",), ("audio",)), np.arange(30))
    with pytest.raises(ProtocolError, match="one pair"):
        average_reports([reports[0], other])


def test_too_few_items_and_missing_tables_are_named() -> None:
    tables = {"text": table(np.eye(3), [0, 1, 2]), "video": table(np.eye(3), [2, 3, 4])}
    with pytest.raises(ProtocolError, match="1 of 5 items hold both text and video"):
        describe_pair(tables, PAIR, np.arange(5))
    with pytest.raises(ProtocolError, match="no embeddings of 'smell'"):
        describe_pair(tables, Pair(("text",), ("smell",)), np.arange(5))

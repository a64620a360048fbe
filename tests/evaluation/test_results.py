"""Protocols, saving and loading, comparisons."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from evaluation_maker import evaluated, noisy_tables

from trichord.errors import DataError, ProtocolError
from trichord.evaluation.compare import average_seeds, compare_results
from trichord.evaluation.protocol import Protocol, protocol_from_dict, require_same
from trichord.evaluation.result import RetrievalResult, load_result
from trichord.evaluation.retrieval import evaluate_task
from trichord.evaluation.settings import EvaluationConfig
from trichord.metrics.bootstrap import Estimate
from trichord.modality import STANDARD, parse_task

T_VA = parse_task("T>VA", STANDARD)
FAST = EvaluationConfig(num_resamples=100)


def result(noise: float = 1.0, seed: int = 0, num_items: int = 60, config: EvaluationConfig = FAST) -> RetrievalResult:
    tables = noisy_tables(num_items, 6, noise, seed, ("video", "audio", "text"))
    return evaluate_task(tables, T_VA, evaluated(num_items), config)


def test_every_field_of_the_protocol_is_compared_and_named() -> None:
    protocol = result().protocol
    assert protocol.differences(protocol) == []
    for field in dataclasses.fields(Protocol):
        value = getattr(protocol, field.name)
        other = dataclasses.replace(protocol, **{field.name: value + 1 if isinstance(value, int) else value + "x"})
        assert other.fingerprint() != protocol.fingerprint()
        with pytest.raises(ProtocolError, match=field.name.replace("_", " ")):
            require_same(protocol, other)


def test_protocol_survives_plain_data_and_refuses_changes() -> None:
    protocol = result().protocol
    data = json.loads(json.dumps(protocol.to_dict()))
    assert protocol_from_dict(data) == protocol
    with pytest.raises(ProtocolError, match="changed after it was written"):
        protocol_from_dict({**data, "split": "val"})
    with pytest.raises(ProtocolError, match="another version"):
        protocol_from_dict({key: value for key, value in data.items() if key != "split"})


def test_saved_result_is_loaded_bit_for_bit(tmp_path) -> None:
    saved = result()
    path = saved.save(tmp_path / "new")
    assert path.name == "T_to_VA.json"
    assert sorted(file.name for file in path.parent.iterdir()) == ["T_to_VA.json", "T_to_VA.npz"]
    loaded = load_result(tmp_path / "new", "T>VA")
    assert loaded.to_dict() == saved.to_dict()
    for metric in ("R@1", "R@5", "R@10", "MeanR", "MRR"):
        assert loaded.per_query(metric).tolist() == saved.per_query(metric).tolist()
        assert saved.per_query(metric).mean() == pytest.approx(saved.metrics[metric].value)
    assert loaded.query_items.tolist() == saved.query_items.tolist()


def test_damaged_files_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_result(tmp_path, "T>VA")
    path = result().save(tmp_path)
    arrays = path.with_suffix(".npz")
    whole, data = arrays.read_bytes(), json.loads(path.read_text())
    arrays.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not the arrays of a result"):
        load_result(tmp_path, "T>VA")
    np.savez(arrays, query_items=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not the arrays of a result"):
        load_result(tmp_path, "T>VA")
    result(num_items=50).save(tmp_path / "other")
    arrays.write_bytes((tmp_path / "other" / "T_to_VA.npz").read_bytes())
    with pytest.raises(DataError, match="counts 60 queries"):
        load_result(tmp_path, "T>VA")
    arrays.write_bytes(whole)
    path.write_text(json.dumps({**data, "version": 99}))
    with pytest.raises(ProtocolError, match="found 99"):
        load_result(tmp_path, "T>VA")
    path.write_text(json.dumps({key: value for key, value in data.items() if key != "flags"}))
    with pytest.raises(DataError, match="not a result"):
        load_result(tmp_path, "T>VA")


def test_number_that_breaks_its_rule_is_refused() -> None:
    good = result()
    for name, estimate in (("R@1", Estimate(101.0, 90.0, 101.0)), ("MRR", Estimate(-0.1, -0.2, 0.0)),
                           ("MeanR", Estimate(0.5, 0.5, 0.5)), ("R@5", Estimate(float("nan"), 0.0, 1.0))):  # fmt: skip
        with pytest.raises(ProtocolError, match=f"{name} lies in"):
            dataclasses.replace(good, metrics={**good.metrics, name: estimate})


def test_better_side_wins_and_equal_sides_do_not() -> None:
    good, bad = [result(0.8, seed) for seed in (0, 1)], [result(1.6, seed) for seed in (2, 3)]
    compared = compare_results(good, bad, "R@10")
    assert compared.difference == pytest.approx(
        np.mean([r.metrics["R@10"].value for r in good]) - np.mean([r.metrics["R@10"].value for r in bad])
    )
    assert compared.low > 0
    assert compared.p_value < 0.01
    assert compare_results(good, bad, "MeanR").difference < 0
    same = compare_results(good, good, "MRR")
    assert (same.difference, same.p_value) == (0.0, 1.0)


def test_unlike_results_are_refused() -> None:
    base = [result()]
    with pytest.raises(ProtocolError, match="similarity"):
        compare_results(base, [result(config=EvaluationConfig(similarity="dot product", num_resamples=10))], "R@1")
    with pytest.raises(ProtocolError, match="num items: 60 against 50"):
        compare_results(base, [result(num_items=50)], "R@1")
    other = result()
    moved = dataclasses.replace(other, query_items=other.query_items[::-1].copy())
    with pytest.raises(ProtocolError, match="another order"):
        compare_results(base, [moved], "R@1")
    with pytest.raises(ProtocolError, match="'MedR' is no mean"):
        compare_results(base, base, "MedR")
    with pytest.raises(ProtocolError, match="at least one result"):
        compare_results(base, [], "R@1")


def test_settings_that_change_no_number_are_no_part_of_the_protocol() -> None:
    one, other = result(), result(config=EvaluationConfig(num_resamples=7, seed=3, chunk=1))
    assert one.protocol.fingerprint() == other.protocol.fingerprint()
    assert one.scores.rank.tolist() == other.scores.rank.tolist()


def test_average_over_seeds() -> None:
    results = [result(seed=seed) for seed in range(3)]
    averaged = average_seeds(results, num_resamples=200)
    for name, estimate in averaged.items():
        assert estimate.value == pytest.approx(np.mean([r.metrics[name].value for r in results]))
        assert estimate.low <= estimate.value <= estimate.high
    assert list(averaged) == list(results[0].metrics)
    with pytest.raises(ProtocolError, match="at least one result"):
        average_seeds([])

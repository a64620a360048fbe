from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from evaluation_maker import Projections, evaluated, noisy_tables, table, write_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.retrieval import evaluate, evaluate_task, evaluate_tasks, rank_task
from trichord.evaluation.settings import EvaluationConfig, evaluation_set
from trichord.metrics.retrieval import HIGHER_IS_BETTER, METRICS
from trichord.modality import STANDARD, all_tasks, parse_task

TV, VT, T_VA = (parse_task(spelling, STANDARD) for spelling in ("T>V", "V>T", "T>VA"))
FAST = EvaluationConfig(num_resamples=50)


@settings(max_examples=10, deadline=None)
@given(num_items=st.integers(3, 60), dim=st.integers(3, 6), seed=st.integers(0, 1000))
def test_collapsed_model_scores_chance_on_every_metric_and_is_flagged(num_items: int, dim: int, seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=(1, dim))
    tables = {name: table(np.repeat(vector, num_items, axis=0)) for name in ("video", "audio", "text")}
    for result in evaluate_tasks(tables, all_tasks(STANDARD), evaluated(num_items), FAST).values():
        for k in (1, 5, 10):
            assert result.metrics[f"R@{k}"].value == pytest.approx(100 * min(k, num_items) / num_items)
        assert result.metrics["MeanR"].value == result.metrics["MedR"].value == pytest.approx((num_items + 1) / 2)
        for name in METRICS:
            assert result.metrics[name].value == pytest.approx(result.chance[name])
        assert any(flag.startswith("collapsed: all embeddings are equal") for flag in result.flags)


def test_random_embeddings_are_flagged_as_chance_and_good_ones_are_not() -> None:
    generator = np.random.default_rng(0)
    random = {name: table(generator.normal(size=(500, 8))) for name in ("video", "text")}
    flags = evaluate_task(random, TV, evaluated(500), FAST).flags
    assert len(flags) == 1
    assert flags[0].startswith("at chance level, as far as 500 queries tell: R@10 ")
    assert flags[0].endswith("against 2.0 by chance")
    good = noisy_tables(500, 8, 0.2, 0, ("video", "text"))
    assert evaluate_task(good, TV, evaluated(500), FAST).flags == ()


def test_small_gallery_is_judged_at_a_smaller_depth() -> None:
    generator = np.random.default_rng(4)
    random = {name: table(generator.normal(size=(15, 8))) for name in ("video", "text")}
    assert "R@5" in evaluate_task(random, TV, evaluated(15), FAST).flags[0]


def test_embeddings_that_anti_agree_are_below_chance() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 8))
    result = evaluate_task({"video": table(-vectors), "text": table(vectors)}, TV, evaluated(300), FAST)
    assert result.flags[0].startswith("below chance level, as far as 300 queries tell: R@10 0.0")


def test_numbers_equal_a_plain_sort_in_double_precision() -> None:
    tables = noisy_tables(120, 12, 1.0, 3, ("video", "audio", "text"))
    result = evaluate_task(tables, T_VA, evaluated(120), FAST)
    query = tables["text"].vectors.astype(float)
    gallery = tables["video"].vectors.astype(float) + tables["audio"].vectors
    scores = query @ (gallery / np.linalg.norm(gallery, axis=1, keepdims=True)).T
    ranks = np.array([1 + list(np.argsort(-row)).index(i) for i, row in enumerate(scores)])
    assert result.scores.rank.tolist() == ranks.tolist()
    expected = {
        "R@1": 100 * (ranks <= 1).mean(),
        "R@5": 100 * (ranks <= 5).mean(),
        "R@10": 100 * (ranks <= 10).mean(),
        "MedR": np.median(ranks),
        "MeanR": ranks.mean(),
        "MRR": (1 / ranks).mean(),
    }
    assert {name: estimate.value for name, estimate in result.metrics.items()} == pytest.approx(expected)
    assert all(found.low <= found.value <= found.high for found in result.metrics.values())
    assert set(HIGHER_IS_BETTER) == set(METRICS)


def test_similarity_and_fusion_are_what_they_say() -> None:
    tables = noisy_tables(80, 6, 1.0, 5, ("video", "audio", "text"))
    lengths = np.random.default_rng(0).uniform(0.1, 10, (80, 1))
    tables["video"] = table(tables["video"].vectors * lengths)
    unit = {
        name: found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True) for name, found in tables.items()
    }
    sums = {
        ("dot product", "sum of vectors"): tables["video"].vectors + tables["audio"].vectors,
        ("dot product", "sum of unit vectors"): unit["video"] + unit["audio"],
    }
    for (similarity, fusion), gallery in sums.items():
        config = EvaluationConfig(similarity=similarity, fusion=fusion, num_resamples=5)
        found = rank_task(tables, T_VA, np.arange(80), config).scores.rank
        scores = unit["text"] @ gallery.T
        assert found.tolist() == (1 + (scores > np.diag(scores)[:, None]).sum(axis=1)).tolist()


def captions_tables() -> dict:
    """Item 0 has captions (wrong, right), item 1 one right caption, item 2 none; item 3 has no video."""
    eye = np.eye(4)
    text = np.stack([eye[1], eye[0], eye[1] + 0.1 * eye[0], eye[3]])
    return {"text": table(text, [0, 0, 1, 3]), "video": table(eye[:3], [0, 1, 2])}


def test_first_caption_is_the_query_and_missing_items_are_misses() -> None:
    result = evaluate_task(captions_tables(), TV, evaluated(4), FAST)
    assert result.query_items.tolist() == [0, 1, 2, 3]
    assert result.query_instances.tolist() == [0, 0, 0, 0]
    # Item 0: its first caption looks like item 1; items 0 and 2 tie behind it.
    assert result.scores.rank.tolist() == [2.5, 1.0, 4.0, 4.0]
    assert result.scores.recall[1].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert result.scores.reciprocal_rank[2:].tolist() == [0.0, 0.0]
    assert result.num_missing == 2
    assert result.num_queries == 4
    assert (result.protocol.query_captions, result.protocol.gallery_captions) == ("first", "one per item")
    assert result.chance["R@1"] == pytest.approx(100 * (1 / 3 + 1 / 3) / 4)


def test_every_caption_is_a_query() -> None:
    result = evaluate_task(captions_tables(), TV, evaluated(4), EvaluationConfig(captions="all", num_resamples=20))
    assert result.query_items.tolist() == [0, 0, 1, 2, 3]
    assert result.query_instances.tolist() == [0, 1, 0, 0, 0]
    assert result.scores.rank.tolist() == [2.5, 1.0, 1.0, 4.0, 4.0]
    assert result.num_missing == 2


def test_any_caption_of_the_item_is_relevant() -> None:
    config = EvaluationConfig(captions="all", num_resamples=20)
    result = evaluate_task(captions_tables(), VT, evaluated(4), config)
    assert result.query_items.tolist() == [0, 1, 2, 3]
    assert result.scores.rank.tolist() == [1.0, 2.0, 4.0, 4.0]
    assert result.protocol.gallery_captions == "all"


def test_item_that_lacks_one_of_joined_modalities_is_represented_by_the_other() -> None:
    eye = np.eye(3)
    tables = {"text": table(eye), "video": table(eye[:2], [0, 1]), "audio": table(eye[1:], [1, 2])}
    result = evaluate_task(tables, T_VA, evaluated(3), FAST)
    assert result.scores.rank.tolist() == [1.0, 1.0, 1.0]
    assert result.num_missing == 0


def test_joined_side_with_several_captions_repeats_the_other_modality() -> None:
    tables = {
        "text": table(np.array([[1.0, 0], [0, 1], [0, 2]]), [0, 0, 1]),
        "audio": table(np.array([[3.0, 0], [0, 3], [4.0, 4]])),
        "video": table(np.array([[1.0, 0], [0, 1], [1, 1]])),
    }
    ranked = rank_task(
        tables, parse_task("TA>V", STANDARD), np.arange(3), EvaluationConfig(captions="all", similarity="dot product")
    )
    assert ranked.query.vectors.tolist() == [[4, 0], [3, 1], [0, 5], [4, 4]]
    assert ranked.query.positions.tolist() == [0, 0, 1, 2]
    doubled = {**tables, "audio": table(np.ones((2, 2)), [0, 0])}
    with pytest.raises(ProtocolError, match="several instances per item"):
        rank_task(doubled, parse_task("TA>V", STANDARD), np.arange(3), EvaluationConfig(captions="all"))


def test_items_outside_the_split_are_neither_queries_nor_gallery() -> None:
    tables = noisy_tables(50, 6, 0.5, 1, ("video", "text"))
    chosen = np.array([40, 3, 17, 8])
    part = {name: table(found.vectors[chosen]) for name, found in tables.items()}
    whole = rank_task(tables, TV, chosen, FAST).scores.rank
    assert whole.tolist() == rank_task(part, TV, np.arange(4), FAST).scores.rank.tolist()


def test_zero_and_missing_embeddings_are_refused_by_name() -> None:
    tables = noisy_tables(5, 3, 0.1, 1, ("video", "text"))
    tables["video"].vectors[2] = 0.0
    with pytest.raises(ProtocolError, match="task T>V: the video vector of item row 2 is zero"):
        evaluate_task(tables, TV, evaluated(5), FAST)
    with pytest.raises(ProtocolError, match="gallery row 2 is zero"):
        evaluate_task(tables, TV, evaluated(5), EvaluationConfig(similarity="dot product"))
    with pytest.raises(ProtocolError, match="no embeddings of 'audio'"):
        evaluate_task(tables, T_VA, evaluated(5), FAST)
    with pytest.raises(ProtocolError, match="NaN or infinity"):
        table(np.array([[1.0, np.nan]]))
    apart = {"text": table(np.ones((1, 2)), [0]), "video": table(np.ones((1, 2)), [1])}
    with pytest.raises(ProtocolError, match="nothing can be retrieved"):
        evaluate_task(apart, TV, evaluated(2), FAST)
    uneven = {"text": table(np.ones((2, 2))), "video": table(np.ones((2, 2))), "audio": table(np.ones((2, 3)))}
    with pytest.raises(ProtocolError, match="one width"):
        evaluate_task(uneven, T_VA, evaluated(2), FAST)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="captions is one of"):
        EvaluationConfig(captions="fist")
    with pytest.raises(ConfigError, match="num_resamples is at least 1"):
        EvaluationConfig(num_resamples=0)
    with pytest.raises(ConfigError, match="distinct"):
        evaluated(3).__class__("d", "f", "s", np.array([1, 1]), "h", STANDARD)


def test_a_whole_evaluation_takes_well_under_a_second() -> None:
    tables = noisy_tables(500, 64, 1.0, 0, ("video", "audio", "text"))
    start = perf_counter()
    results = evaluate_tasks(tables, all_tasks(STANDARD), evaluated(500))
    assert list(results) == ["T>V", "V>T", "T>A", "A>T", "A>V", "V>A", "T>VA", "VA>T"]
    assert perf_counter() - start < 5.0, "0.4 s on a quiet machine; the bound leaves room for a busy one"


def test_model_and_dataset_to_results(tmp_path) -> None:
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(12, 4))
    mix = {name: generator.normal(size=(4, 6)) for name in ("video", "text")}
    text_items = np.sort(np.concatenate([np.arange(12), generator.integers(0, 12, 10)]))
    dataset = write_dataset(
        tmp_path / "data",
        {"video": (shared @ mix["video"], np.arange(12)), "text": (shared[text_items] @ mix["text"], text_items)},
        ["train"] * 4 + ["test"] * 8,
    )
    model = Projections({name: np.linalg.pinv(weight) for name, weight in mix.items()})
    model.train()
    seen: list[tuple[int, int]] = []
    results = evaluate(
        model, dataset, "test", [TV, VT], FAST, batch_size=5, progress=lambda done, total: seen.append((done, total))
    )
    assert {task: result.metrics["R@1"].value for task, result in results.items()} == {"T>V": 100.0, "V>T": 100.0}
    assert results["T>V"].query_items.tolist() == list(range(4, 12))
    assert model.training
    assert model.frozen.training
    assert max(model.sizes) == 5
    assert seen[-1][0] == seen[-1][1] == 8 + int((text_items >= 4).sum())
    protocol = results["T>V"].protocol
    assert protocol.items_hash == evaluation_set(dataset, "test").items_hash
    assert protocol.dataset_fingerprint == dataset.fingerprint()
    with pytest.raises(ConfigError, match="no task"):
        evaluate(model, dataset, "test", [])


def test_few_queries_are_not_enough_to_be_below_chance_and_no_interval_is_a_point() -> None:
    vectors = np.eye(5, dtype=np.float32) + 0.01
    result = evaluate_task(
        {"video": table(np.roll(vectors, 1, axis=0)), "text": table(vectors)}, TV, evaluated(5), FAST
    )
    assert result.metrics["R@1"].value == 0.0
    assert result.metrics["R@1"].high == pytest.approx(100 * (1 - 0.025 ** (1 / 5)))
    assert result.flags[0].startswith("at chance level, as far as 5 queries tell: R@1 0.0")
    right = evaluate_task({"video": table(vectors), "text": table(vectors)}, TV, evaluated(5), FAST)
    assert (right.metrics["R@1"].value, right.metrics["R@1"].high) == (100.0, 100.0)
    assert right.metrics["R@1"].low == pytest.approx(100 * 0.025 ** (1 / 5))

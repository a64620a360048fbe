from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from evaluation_maker import evaluated, noisy_tables, table

from trichord.errors import DataError, ProtocolError
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.settings import EvaluationConfig
from trichord.evaluation.whole_video import WholeVideoResult, evaluate_whole_videos
from trichord.metrics.expected import expected_recall
from trichord.metrics.ranks import count_ranks
from trichord.modality import STANDARD, parse_task

TV, T_VA = (parse_task(spelling, STANDARD) for spelling in ("T>V", "T>VA"))
FAST = EvaluationConfig(num_resamples=100)
PUBLISHED = EvaluationConfig(num_resamples=100, similarity="dot product")
WAYS = ("caption", "caption average", "vote over videos", "vote over clips")


def sources(num_items: int, per_video: int) -> list[str | None]:
    return [f"video {i // per_video:03}" for i in range(num_items)]


def values(result: WholeVideoResult, name: str) -> dict[str, float]:
    return {way: scores.metrics[name].value for way, scores in result.ways.items()}


def test_one_clip_per_video_makes_all_ways_ordinary_retrieval() -> None:
    tables = noisy_tables(60, 6, 1.5, 0, ("video", "audio", "text"))
    result = evaluate_whole_videos(tables, T_VA, evaluated(60), sources(60, 1), PUBLISHED)
    gallery = torch.from_numpy(tables["video"].vectors + tables["audio"].vectors)
    items = torch.arange(60)
    counts = count_ranks(torch.from_numpy(tables["text"].vectors), gallery, items, items)
    for k in (1, 5, 10):
        expected = expected_recall(counts, k)
        for way in WAYS[:2]:
            assert result.ways[way].recall[k].tolist() == expected.tolist()
    # A single caption's k votes: any of the first k videos has one vote, and k are listed.
    for way in WAYS[2:]:
        assert result.ways[way].recall[1].tolist() == expected_recall(counts, 1).tolist()
        assert result.ways[way].recall[10].tolist() == expected_recall(counts, 10).tolist()


def test_caption_way_equals_ranks_with_videos_as_items() -> None:
    tables = noisy_tables(90, 5, 1.0, 1, ("video", "text"))
    tables["video"].vectors[40:60] = tables["video"].vectors[:20]  # clips that occur twice, in different videos
    result = evaluate_whole_videos(tables, TV, evaluated(90), sources(90, 6), PUBLISHED)
    videos = torch.arange(90) // 6
    counts = count_ranks(
        torch.from_numpy(tables["text"].vectors), torch.from_numpy(tables["video"].vectors), videos, videos
    )
    for k in (1, 5, 10):
        assert result.ways["caption"].recall[k].tolist() == pytest.approx(expected_recall(counts, k).tolist())
    assert (counts.tied > 0).any()
    assert result.ways["caption"].query_videos.tolist() == videos.tolist()


def test_captions_together_know_more_than_one() -> None:
    tables = noisy_tables(240, 12, 1.0, 2, ("video", "text"))
    result = evaluate_whole_videos(tables, TV, evaluated(240), sources(240, 6), FAST)
    recalls = values(result, "R@1")
    assert recalls["caption average"] > recalls["caption"] > 10.0
    assert result.flags == ()
    for way, scores in result.ways.items():
        assert scores.flags == ()
        assert scores.num_missing == 0
        found = scores.metrics["R@5"]
        assert found.low < found.value < found.high or found.value == 100.0
        assert scores.per_video(5).mean() * 100 == pytest.approx(found.value), way
    assert result.ways["caption"].chance["R@1"] == pytest.approx(100 / 40)
    assert result.ways["caption average"].chance["R@10"] == pytest.approx(25.0)


def test_order_of_items_does_not_matter() -> None:
    tables = noisy_tables(40, 5, 1.0, 3, ("video", "text"))
    order = np.random.default_rng(0).permutation(40)
    named = sources(40, 4)
    turned = {
        name: EmbeddingTable(found.vectors[order], np.arange(40, dtype=np.int64)) for name, found in tables.items()
    }
    before = evaluate_whole_videos(tables, TV, evaluated(40), named, FAST)
    after = evaluate_whole_videos(turned, TV, evaluated(40), [named[i] for i in order], FAST)
    assert before.videos == after.videos
    for way in WAYS:
        for k in (1, 5, 10):
            assert before.ways[way].per_video(k).tolist() == pytest.approx(after.ways[way].per_video(k).tolist())


def test_collapsed_model_scores_chance_and_is_flagged() -> None:
    tables = {name: table(np.tile([[1.0, 2.0, 3.0]], (40, 1))) for name in ("video", "text")}
    result = evaluate_whole_videos(tables, TV, evaluated(40), sources(40, 2), FAST)
    assert result.flags[0].startswith("collapsed: all embeddings are equal")
    for way, scores in result.ways.items():
        for name, estimate in scores.metrics.items():
            assert estimate.value == pytest.approx(scores.chance[name]), way
    assert result.ways["caption average"].metrics["R@5"].value == pytest.approx(25.0)


def test_one_video_is_found_whatever_the_model() -> None:
    tables = noisy_tables(5, 4, 3.0, 4, ("video", "text"))
    result = evaluate_whole_videos(tables, TV, evaluated(5), ["only"] * 5, FAST)
    assert values(result, "R@1") == dict.fromkeys(WAYS, 100.0)
    assert all(scores.chance["R@1"] == 100.0 for scores in result.ways.values())


def test_clips_that_lack_a_side_are_seen_to_be_missing() -> None:
    eye = np.eye(6)
    tables = {"text": table(eye[:5], np.arange(5)), "video": table(eye[[0, 1, 4]], [0, 1, 4])}
    videos: list[str | None] = ["a", "a", "b", "b", "c", "d"]  # b has no clip, d has neither
    result = evaluate_whole_videos(tables, TV, evaluated(6), videos, FAST)
    assert result.videos == ("a", "b", "c", "d")
    assert [scores.num_missing for scores in result.ways.values()] == [3, 2, 2, 2]
    assert result.ways["caption"].query_videos.tolist() == [0, 0, 1, 1, 2, 3]
    assert result.ways["caption"].metrics["R@1"].value == 50.0
    assert result.ways["caption average"].recall[1].tolist() == [1.0, 0.0, 1.0, 0.0]
    part = {**tables, "audio": table(eye[[2]], [2])}
    joined = evaluate_whole_videos(part, T_VA, evaluated(6), videos, FAST)
    assert joined.ways["caption average"].recall[1].tolist() == [1.0, 1.0, 1.0, 0.0], "audio stands for the clip"


def test_similarity_and_fusion_are_those_of_the_configuration() -> None:
    tables = {
        "text": table(np.array([[1.0, 0.0], [0.0, 1.0]])),
        "video": table(np.array([[1.0, 0.0], [30.0, 40.0]])),
        "audio": table(np.array([[0.1, 0.0], [0.0, 2.0]])),
    }
    named: list[str | None] = ["a", "b"]
    cosine = evaluate_whole_videos(tables, TV, evaluated(2), named, FAST)
    plain = evaluate_whole_videos(tables, TV, evaluated(2), named, PUBLISHED)
    assert cosine.ways["caption"].recall[1].tolist() == [1.0, 1.0]
    assert plain.ways["caption"].recall[1].tolist() == [0.0, 1.0], "the long clip wins every dot product"
    units = EvaluationConfig(num_resamples=100, similarity="dot product", fusion="sum of unit vectors")
    assert evaluate_whole_videos(tables, T_VA, evaluated(2), named, units).ways["caption"].recall[1].tolist() == [1, 1]
    fingerprints = {result.protocol.fingerprint() for result in (cosine, plain)}
    assert len(fingerprints) == 2


def test_every_caption_asks_where_all_are_taken() -> None:
    tables = {"text": table(np.eye(3)[[0, 1, 2]], [0, 0, 1]), "video": table(np.eye(3)[[0, 2]])}
    every = EvaluationConfig(num_resamples=20, captions="all")
    result = evaluate_whole_videos(tables, TV, evaluated(2), ["a", "b"], every)
    assert result.ways["caption"].query_videos.tolist() == [0, 0, 1]
    assert result.protocol.query_captions == "all"


def test_protocol_knows_which_clips_make_up_a_video_and_is_plain_data() -> None:
    tables = noisy_tables(12, 4, 0.5, 5, ("video", "text"))
    twos, threes = (evaluate_whole_videos(tables, TV, evaluated(12), sources(12, n), FAST) for n in (2, 3))
    assert twos.protocol.videos_hash != threes.protocol.videos_hash
    assert twos.protocol.fingerprint() != threes.protocol.fingerprint()
    assert twos.protocol.num_videos == 6
    data = json.loads(json.dumps(twos.to_dict()))
    assert data["protocol"]["fingerprint"] == twos.protocol.fingerprint()
    assert list(data["ways"]) == list(WAYS)
    assert data["ways"]["caption"]["num_queries"] == 12
    assert data["ways"]["caption average"]["num_queries"] == 6


def test_intervals_resample_videos_not_captions() -> None:
    # Four videos of 25 equal clips: captions of a video hit or miss together, so only four things vary.
    eye = np.repeat(np.eye(4), 25, axis=0)
    text = np.repeat(np.eye(4)[[0, 1, 3, 2]], 25, axis=0)
    result = evaluate_whole_videos(
        {"video": table(eye), "text": table(text)}, TV, evaluated(100), sources(100, 25), EvaluationConfig()
    )
    found = result.ways["caption"].metrics["R@1"]
    assert (found.value, found.low, found.high) == (50.0, 0.0, 100.0)


def test_sources_are_never_guessed_and_errors_name_the_task() -> None:
    tables = noisy_tables(4, 3, 0.1, 1, ("video", "text"))
    with pytest.raises(DataError, match="no column 'source'"):
        evaluate_whole_videos(tables, TV, evaluated(4), None, FAST)
    with pytest.raises(DataError, match="row 2: an item of made, split 'test', has no source video"):
        evaluate_whole_videos(tables, TV, evaluated(4), ["a", "a", None, "b"], FAST)
    tables["video"].vectors[1] = 0.0
    for config in (FAST, PUBLISHED):
        with pytest.raises(ProtocolError, match=r"split 'test', task T>V: .* is zero"):
            evaluate_whole_videos(tables, TV, evaluated(4), sources(4, 2), config)
    apart = {"text": table(np.ones((1, 2)), [0]), "video": table(np.ones((1, 2)), [1])}
    with pytest.raises(ProtocolError, match="nothing can be retrieved"):
        evaluate_whole_videos(apart, TV, evaluated(2), ["a", "b"], FAST)

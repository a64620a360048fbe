from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trichord.errors import ProtocolError
from trichord.metrics.whole_video import (
    ClipScores,
    VideoRecall,
    best_clips,
    caption_average,
    caption_to_video,
    score_videos,
    top_shares,
    vote_over_clips,
    vote_over_videos,
)

WAYS = ("caption", "caption average", "vote over videos", "vote over clips")


def made(seed: int, num_videos: int = 7, levels: int | None = None, captions: int = 15, clips: int = 18) -> ClipScores:
    """Scores that agree with the videos a little; with few levels, most are tied."""
    random = np.random.default_rng(seed)
    caption_videos, clip_videos = random.integers(0, num_videos, captions), random.integers(0, num_videos, clips)
    scores = random.normal(size=(captions, clips)) + (caption_videos[:, None] == clip_videos)
    if levels is not None:
        scores = np.clip(np.round(scores * levels / 4), -levels, levels)
    return ClipScores(scores.astype(np.float32), caption_videos, clip_videos, num_videos)


def published(clips: ClipScores) -> dict[str, dict[int, list[float]]]:
    """The four ways by plain sorting, without ties; a value per caption, or per video that has captions."""
    found: dict[str, dict[int, list[float]]] = {way: {1: [], 5: [], 10: []} for way in WAYS}
    gallery = sorted(set(clips.clip_videos.tolist()))
    best = [
        {v: max(s for s, w in zip(row, clips.clip_videos, strict=True) if w == v) for v in gallery}
        for row in clips.scores.tolist()
    ]
    for row, video in enumerate(clips.caption_videos.tolist()):
        ranking = sorted(range(len(clips.clip_videos)), key=lambda j: -clips.scores[row, j])
        for k in (1, 5, 10):
            found["caption"][k].append(float(video in clips.clip_videos[ranking[:k]]))
    for video in range(clips.num_videos):
        rows = [i for i, asked in enumerate(clips.caption_videos.tolist()) if asked == video]
        if not rows:
            continue
        mean = {v: sum(best[i][v] for i in rows) / len(rows) for v in gallery}
        for k in (1, 5, 10):
            ranking = sorted(gallery, key=lambda v: -mean[v])
            found["caption average"][k].append(float(video in ranking[:k]))
            for way in WAYS[2:]:
                votes = dict.fromkeys(gallery, 0)
                for i in rows:
                    if way == "vote over videos":
                        for v in sorted(gallery, key=lambda v: -best[i][v])[:k]:
                            votes[v] += 1
                    else:
                        for j in np.argsort(-clips.scores[i])[:k].tolist():
                            votes[int(clips.clip_videos[j])] += 1
                above = sum(votes[v] > votes.get(video, 0) for v in gallery)
                level = sum(votes[v] == votes.get(video, 0) for v in gallery)
                chosen = min(1.0, max(0.0, (k - above) / level)) if votes.get(video, 0) else 0.0
                found[way][k].append(chosen)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_without_equal_scores_all_ways_equal_plain_sorting(seed: int) -> None:
    clips = made(seed, num_videos=12, captions=25, clips=30)
    expected = published(clips)
    for way, recall in score_videos(clips).items():
        kept = np.isin(recall.query_videos, clips.caption_videos)
        for k in (1, 5, 10):
            assert recall.recall[k][kept].tolist() == pytest.approx(expected[way][k]), (way, k)
        assert not recall.recall[10][~kept].any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 6))
def test_caption_is_exact_over_every_order_of_equal_scores(seed: int, k: int) -> None:
    clips = made(seed, num_videos=3, levels=1, captions=2, clips=6)
    orders = list(permutations(range(6)))
    found = caption_to_video(clips, (k,))
    for row, video in enumerate(clips.caption_videos.tolist()):
        hits = [video in clips.clip_videos[sorted(order, key=lambda j: -clips.scores[row, j])[:k]] for order in orders]
        assert found.recall[k][row] == pytest.approx(np.mean(hits))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 4))
def test_caption_average_is_exact_over_every_order_of_equal_means(seed: int, k: int) -> None:
    clips = made(seed, num_videos=4, levels=1, captions=5, clips=7)
    gallery, best = best_clips(clips)
    found = caption_average(clips, (k,))
    for video in np.unique(clips.caption_videos).tolist():
        mean = best[clips.caption_videos == video].astype(float).mean(axis=0)
        hits = [
            video in gallery[sorted(order, key=lambda j: -mean[j])[:k]] for order in permutations(range(len(gallery)))
        ]
        assert found.recall[k][video] == pytest.approx(np.mean(hits))


def test_shares_of_the_first_k_are_exact_over_every_order() -> None:
    rows = np.array(list(product([0.0, 1.0], repeat=4)))
    for k in (1, 2, 3, 4, 9):
        for row, shares in zip(rows, top_shares(rows, k), strict=True):
            orders = [sorted(order, key=lambda j: -row[j])[:k] for order in permutations(range(4))]
            assert shares.tolist() == pytest.approx([np.mean([j in order for order in orders]) for j in range(4)])
    with pytest.raises(ProtocolError, match="k >= 1"):
        top_shares(rows, 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([1, 2, None]))
def test_order_of_clips_captions_and_numbers_of_videos_do_not_matter(seed: int, levels: int | None) -> None:
    clips = made(seed, levels=levels)
    random = np.random.default_rng(seed + 1)
    renamed, rows, columns = (random.permutation(n) for n in (7, 15, 18))
    turned = ClipScores(
        clips.scores[rows][:, columns], renamed[clips.caption_videos[rows]], renamed[clips.clip_videos[columns]], 7
    )
    for way, before in score_videos(clips).items():
        after = score_videos(turned)[way]
        for k in (1, 5, 10):
            assert per_video(after, k)[renamed].tolist() == pytest.approx(per_video(before, k).tolist()), way


def per_video(found: VideoRecall, k: int) -> np.ndarray:
    return np.bincount(found.query_videos, found.recall[k], 7) / np.bincount(found.query_videos, minlength=7)


def test_model_that_scores_all_alike_finds_each_video_by_chance() -> None:
    videos = np.repeat(np.arange(20), [1, 2, 3, 4] * 5)
    alike = ClipScores(np.zeros((50, 50), np.float32), videos, videos, 20)
    for way, found in score_videos(alike).items():
        for k in (1, 5, 10):
            if way == "caption":  # the first k of 50 clips in random order hold none of the video's n
                missed = [np.prod([(50 - k - i) / (50 - i) for i in range(n)]) for n in np.bincount(videos)[videos]]
                assert found.recall[k].tolist() == pytest.approx([1 - m for m in missed])
            else:
                assert found.recall[k].mean() == pytest.approx(k / 20), way


def test_one_right_clip_beats_many_middling_ones_only_where_it_should() -> None:
    scores = np.array([[9.0, 0.0, 5.0, 5.0, 5.0], [0.0, 0.0, 1.0, 1.0, 1.0]], np.float32)
    clips = ClipScores(scores, np.array([0, 0]), np.array([0, 0, 1, 1, 1]), 2)
    assert caption_to_video(clips, (1,)).recall[1].tolist() == [1.0, 0.0, 0.0]
    assert caption_average(clips, (1,)).recall[1][0] == 1.0
    assert vote_over_videos(clips, (1,)).recall[1][0] == 0.5
    assert vote_over_clips(clips, (2,)).recall[2][0] == 1.0
    lost = ClipScores(scores[1:], np.array([0]), np.array([0, 0, 1, 1, 1]), 2)
    assert vote_over_clips(lost, (2,)).recall[2].tolist() == [0.0, 0.0], "nobody voted for it, though two are listed"


def test_videos_without_clips_or_captions_are_misses() -> None:
    clips = ClipScores(np.eye(3, dtype=np.float32), np.array([0, 1, 1]), np.array([0, 2, 2]), 4)
    found = score_videos(clips, (1, 5))
    assert found["caption"].query_videos.tolist() == [0, 1, 1, 2, 3]
    assert found["caption"].missing.tolist() == [False, True, True, True, True]
    for way in WAYS[1:]:
        assert found[way].missing.tolist() == [False, True, True, True]
    assert {way: recall.recall[5].sum() for way, recall in found.items()} == dict.fromkeys(WAYS, 1.0)
    apart = ClipScores(np.ones((1, 1), np.float32), np.array([0]), np.array([1]), 2)
    assert all(recall.missing.all() and not recall.recall[1].any() for recall in score_videos(apart).values())


def test_one_video_is_always_found() -> None:
    one = ClipScores(np.array([[3.0, -1.0]], np.float32), np.array([0]), np.array([0, 0]), 1)
    for recall in score_videos(one).values():
        assert {k: values.tolist() for k, values in recall.recall.items()} == {1: [1.0], 5: [1.0], 10: [1.0]}


def test_bad_scores_are_refused() -> None:
    two = np.array([0, 1])
    with pytest.raises(ProtocolError, match="at least one caption"):
        ClipScores(np.ones((0, 2)), two[:0], two, 2)
    with pytest.raises(ProtocolError, match="clip row 1 is of video 1, but there are 1"):
        ClipScores(np.ones((2, 2)), np.array([0, 0]), two, 1)
    with pytest.raises(ProtocolError, match="caption row 1 is not finite"):
        ClipScores(np.array([[1.0, 1.0], [1.0, np.inf]]), two, two, 2)

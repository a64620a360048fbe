"""Retrieval of whole videos from the scores of captions against clips, in the four ways of the MCN evaluation.

A video is a set of clips, and is asked for by captions: by each on its own ("caption"), by the average of their best
clips ("caption average"), or by a vote of theirs over videos or over clips. Chen et al. 2021 report the second. Three
things differ from the published code: ties are settled by expectation rather than by the order of rows, a video is
known by its number rather than by the beginning of a clip's name, and videos without clips or captions are misses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.expected import expected_recall
from trichord.metrics.ranks import RankCounts
from trichord.metrics.retrieval import RECALL_DEPTHS
from trichord.shapes import Bool, Float, Int

WAYS = ("caption", "caption average", "vote over videos", "vote over clips")
# Votes are sums of fractions; what differs by less than this differs by rounding.
SAME_VOTES = 1e-9


@dataclass(frozen=True)
class ClipScores:
    """Scores of captions against clips, and whose both are.

    Args:
        scores: (captions, clips) finite; higher is more alike.
        caption_videos: (captions,) number of the video that each caption asks for.
        clip_videos: (clips,) number of the video that each clip is part of.
        num_videos: videos are numbered from 0 to num_videos - 1; one may lack captions, clips or both.
    """

    scores: Float[np.ndarray, "captions clips"]
    caption_videos: Int[np.ndarray, " captions"]
    clip_videos: Int[np.ndarray, " clips"]
    num_videos: int

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.caption_videos), len(self.clip_videos)) or not self.scores.size:
            raise ProtocolError(
                f"whole-video retrieval needs at least one caption and one clip, and the video of each; got scores of "
                f"shape {self.scores.shape} with {len(self.caption_videos)} and {len(self.clip_videos)} videos"
            )
        for side, videos in (("caption", self.caption_videos), ("clip", self.clip_videos)):
            wrong = np.flatnonzero((videos < 0) | (videos >= self.num_videos))
            if len(wrong):
                raise ProtocolError(
                    f"{side} row {wrong[0]} is of video {videos[wrong[0]]}, but there are {self.num_videos} videos, "
                    "counted from 0"
                )
        if not np.isfinite(self.scores).all():
            row = int(np.flatnonzero(~np.isfinite(self.scores).all(axis=1))[0])
            raise ProtocolError(f"a score of caption row {row} is not finite; look for the fault where it was computed")

    @property
    def gallery(self) -> Int[np.ndarray, " gallery"]:
        """Numbers of the videos that have clips, ascending: those that can be found."""
        return np.unique(self.clip_videos)


@dataclass(frozen=True)
class VideoRecall:
    """One value per query; a query is a caption, or a video with all its captions.

    Args:
        recall: k -> (queries,) probability in [0, 1] that the right video is among the first k.
        query_videos: (queries,) number of the video each query asks for.
        missing: (queries,) whether it is a miss because its video has no clip, or no caption to ask with.
    """

    recall: dict[int, np.ndarray]
    query_videos: Int[np.ndarray, " queries"]
    missing: Bool[np.ndarray, " queries"]


def score_videos(clips: ClipScores, depths: tuple[int, ...] = RECALL_DEPTHS) -> dict[str, VideoRecall]:
    """Score all four ways of asking; return name -> values."""
    return {
        "caption": caption_to_video(clips, depths),
        "caption average": caption_average(clips, depths),
        "vote over videos": vote_over_videos(clips, depths),
        "vote over clips": vote_over_clips(clips, depths),
    }


def caption_to_video(clips: ClipScores, depths: tuple[int, ...] = RECALL_DEPTHS) -> VideoRecall:
    """Ask with one caption: right if the first k *clips* include one of its video.

    Exact under ties: the probability over random orders of equal scores. A video without captions is one missed query.
    """
    _, best = best_clips(clips)
    scored = np.isin(clips.caption_videos, clips.gallery)
    own = clips.caption_videos[scored]
    level = best[scored, np.searchsorted(clips.gallery, own)][:, None]
    scores, relevant = clips.scores[scored], clips.clip_videos == own[:, None]
    tied, relevant_tied = scores == level, (scores == level) & relevant
    greater = (scores > level).sum(axis=1)
    counts = RankCounts(
        greater, (tied & ~relevant).sum(axis=1), relevant_tied.sum(axis=1), gallery_size=scores.shape[1]
    )
    silent = np.setdiff1d(np.arange(clips.num_videos), clips.caption_videos)
    missing = np.concatenate([~scored, np.ones(len(silent), dtype=bool)])
    return _recall(counts, np.concatenate([clips.caption_videos, silent]), missing, depths)


def caption_average(clips: ClipScores, depths: tuple[int, ...] = RECALL_DEPTHS) -> VideoRecall:
    """Ask with all captions of a video: a video scores the mean over these captions of its best clip.

    Exact under ties of these means (float64): the probability over random orders of videos that score the same.
    """
    gallery, best = best_clips(clips)
    missing = _missing_videos(clips)
    scored = np.flatnonzero(~missing)
    means = np.empty((len(scored), len(gallery)))
    for row, video in enumerate(scored):
        means[row] = best[clips.caption_videos == video].mean(axis=0, dtype=np.float64)
    own = means[np.arange(len(scored)), np.searchsorted(gallery, scored)][:, None]
    counts = _against(means, own, tolerance=0.0)
    return _recall(counts, np.arange(clips.num_videos), missing, depths)


def vote_over_videos(clips: ClipScores, depths: tuple[int, ...] = RECALL_DEPTHS) -> VideoRecall:
    """Ask with all captions of a video: each votes for the k videos whose best clips it scores highest.

    Right if the video is among the k that have most votes. At depth k captions cast k votes each, as published. Equal
    scores at the edge of a caption's first k share the places that are left; equal sums of votes are settled by
    expectation; a video that nobody voted for is never right. So the order of rows has no influence. Sharing makes a
    caption's votes exact expectations, yet ranking their sums is a rule of ours, not the expectation of the vote.
    """
    gallery, best = best_clips(clips)
    return _vote(clips, best, np.arange(len(gallery)), depths)


def vote_over_clips(clips: ClipScores, depths: tuple[int, ...] = RECALL_DEPTHS) -> VideoRecall:
    """Ask with all captions of a video: each votes, for its k highest clips, for the video of each.

    A video can have several votes of one caption. Ties as in `vote_over_videos`.
    """
    return _vote(clips, clips.scores, np.searchsorted(clips.gallery, clips.clip_videos), depths)


def best_clips(clips: ClipScores) -> tuple[Int[np.ndarray, " gallery"], Float[np.ndarray, "captions gallery"]]:
    """Return the videos that have clips, and each caption's highest score among the clips of each."""
    order = np.argsort(clips.clip_videos, kind="stable")
    gallery, first = np.unique(clips.clip_videos[order], return_index=True)
    return gallery, np.maximum.reduceat(clips.scores[:, order], first, axis=1)


def _missing_videos(clips: ClipScores) -> np.ndarray:
    """Return (videos,) whether a video has no clip or no caption."""
    videos = np.arange(clips.num_videos)
    return ~(np.isin(videos, clips.clip_videos) & np.isin(videos, clips.caption_videos))


def _vote(clips: ClipScores, scores: np.ndarray, owners: np.ndarray, depths: tuple[int, ...]) -> VideoRecall:
    """Let captions vote for columns of `scores`; `owners` are the positions in the gallery of the columns' videos."""
    missing, gallery = _missing_videos(clips), clips.gallery
    recall = {k: np.zeros(clips.num_videos) for k in depths}
    for video in np.flatnonzero(~missing).tolist():
        asked = scores[clips.caption_videos == video]
        column = int(np.searchsorted(gallery, video))
        for k in depths:
            votes = np.bincount(owners, weights=top_shares(asked, k).sum(axis=0), minlength=len(gallery))
            if votes[column] > SAME_VOTES:
                counts = _against(votes[None], votes[None, [column]], tolerance=SAME_VOTES)
                recall[k][video] = expected_recall(counts, k)[0]
    return VideoRecall(recall, np.arange(clips.num_videos), missing)


def top_shares(scores: Float[np.ndarray, "rows columns"], k: int) -> Float[np.ndarray, "rows columns"]:
    """Return for each score the probability that it is among the k highest of its row, ties in random order."""
    if k < 1:
        raise ProtocolError(f"the first k columns need k >= 1, got {k}")
    if k >= scores.shape[1]:
        return np.ones(scores.shape)
    edge = np.partition(scores, -k, axis=1)[:, -k, None]
    above, level = scores > edge, scores == edge
    left = k - above.sum(axis=1, keepdims=True)
    shares: np.ndarray = above + level * (left / level.sum(axis=1, keepdims=True))
    return shares


def _against(values: np.ndarray, own: np.ndarray, *, tolerance: float) -> RankCounts:
    """Count, in every row, the columns above and beside the row's own value; its own column is one of the latter."""
    greater = (values > own + tolerance).sum(axis=1)
    level = (np.abs(values - own) <= tolerance).sum(axis=1)
    return RankCounts(greater, level - 1, np.ones_like(greater), gallery_size=values.shape[1])


def _recall(counts: RankCounts, query_videos: np.ndarray, missing: np.ndarray, depths: tuple[int, ...]) -> VideoRecall:
    recall = {k: np.zeros(len(missing)) for k in depths}
    for k in depths:
        recall[k][~missing] = expected_recall(counts, k)
    return VideoRecall(recall, query_videos, missing)

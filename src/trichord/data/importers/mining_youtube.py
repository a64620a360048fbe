"""`trichord import mining-youtube`: the test videos of Mining YouTube, as Everything at Once reads them."""

from __future__ import annotations

from dataclasses import dataclass

from trichord.data.importers.crosstask import StepVideo, StepVideosImport, import_step_videos
from trichord.data.importers.lists import read_list
from trichord.data.packing import PackReport

VIDEOS_FILE = "mining.csv"


@dataclass(frozen=True, kw_only=True)
class MiningYouTubeImport(StepVideosImport):
    """Mining YouTube (Kuehne et al. 2019): videos second by second, each with its own ordered actions.

    The data set is laid out as that of `trichord import crosstask`, so that step localisation reads it. A video is its
    own task, which bears the video's id: the split "steps" holds the actions of every video (ID/1, ID/2, ...), the
    split "test" the videos.

    The list of videos, mining.csv, has the column video_id; step.json holds the actions of every video id; annotations
    are ID.npy, seconds x actions.

    The published measures are not built: they align all frames to the transcript by Viterbi with a Poisson model of
    lengths, and report the intersection over the detection (IoD) and over the union (IoU). What step localisation
    measures, a recall of one second per action, is another number and compares with none published for this data set.
    """


def import_mining_youtube(config: MiningYouTubeImport) -> PackReport:
    """Import Mining YouTube; a video that cannot be scored second by second is left out and listed.

    Raises:
        DataError: the list or the actions cannot be read, or too many videos are unusable.
        ConfigError: `out` exists.
    """
    file = config.videos or config.features / VIDEOS_FILE
    videos = [StepVideo(video, video, video) for video in read_list(file).distinct("video_id")]
    return import_step_videos(config, "mining-youtube", file, videos, "Mining YouTube, test videos, second by second")


MiningYouTubeImport.builds = import_mining_youtube

"""Generated files in exactly the published formats, with planted signal, to try importers, training and reproduction.

The features of published corpora are often not to be had. These files have their formats, shapes and, by settings,
sizes; what they mean is a `SignalConfig`: attributes that chosen sets of modalities share, so that it is known which
order of learning must win. Everything is a function of the configuration.
"""

from trichord.data.generated.clips import WrittenSplit
from trichord.data.generated.crosstask import CrossTaskConfig, WrittenCrossTask, write_crosstask
from trichord.data.generated.howto100m import HowTo100MConfig, WrittenHowTo100M, WrittenVideo, write_howto100m
from trichord.data.generated.lexicons import COOKING, SCENES
from trichord.data.generated.lsmdc import LsmdcConfig, write_lsmdc
from trichord.data.generated.msrvtt import MsrvttConfig, WrittenMsrvtt, write_msrvtt
from trichord.data.generated.phrasing import PhrasingConfig
from trichord.data.generated.presets import MSRVTT, YOUCOOK2
from trichord.data.generated.signal import Moments, SignalConfig, draw_moments
from trichord.data.generated.sound import SoundConfig
from trichord.data.generated.visual import VisualConfig
from trichord.data.generated.word_vectors import WordVectorsConfig, WrittenWordVectors, write_word_vectors
from trichord.data.generated.youcook2 import YouCook2Config, write_youcook2

__all__ = [
    "COOKING",
    "MSRVTT",
    "SCENES",
    "YOUCOOK2",
    "CrossTaskConfig",
    "HowTo100MConfig",
    "LsmdcConfig",
    "Moments",
    "MsrvttConfig",
    "PhrasingConfig",
    "SignalConfig",
    "SoundConfig",
    "VisualConfig",
    "WordVectorsConfig",
    "WrittenCrossTask",
    "WrittenHowTo100M",
    "WrittenMsrvtt",
    "WrittenSplit",
    "WrittenVideo",
    "WrittenWordVectors",
    "YouCook2Config",
    "draw_moments",
    "write_crosstask",
    "write_howto100m",
    "write_lsmdc",
    "write_msrvtt",
    "write_word_vectors",
    "write_youcook2",
]

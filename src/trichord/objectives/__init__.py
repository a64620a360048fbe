"""Objectives: what training minimises. Pair objectives compare two tables; set objectives see all modalities."""

from __future__ import annotations

from trichord.objectives.cluster import Cluster, ClusterConfig
from trichord.objectives.contract import PairObjective, PairObjectiveConfig, SetObjective, SetObjectiveConfig
from trichord.objectives.gramian import Area, AreaConfig, Volume, VolumeConfig
from trichord.objectives.infonce import InfoNCE, InfoNCEConfig
from trichord.objectives.memory import RingBuffer
from trichord.objectives.mms import MaskedMarginSoftmax, MaskedMarginSoftmaxConfig
from trichord.objectives.pairwise import Pairwise, PairwiseConfig, WeightedPairConfig
from trichord.objectives.reconstruction import Reconstruction, ReconstructionConfig
from trichord.objectives.sigmoid import SigmoidContrast, SigmoidContrastConfig
from trichord.objectives.terms import LossTerms
from trichord.objectives.total import Objective, ObjectiveConfig

__all__ = [
    "Area",
    "AreaConfig",
    "Cluster",
    "ClusterConfig",
    "InfoNCE",
    "InfoNCEConfig",
    "LossTerms",
    "MaskedMarginSoftmax",
    "MaskedMarginSoftmaxConfig",
    "Objective",
    "ObjectiveConfig",
    "PairObjective",
    "PairObjectiveConfig",
    "Pairwise",
    "PairwiseConfig",
    "Reconstruction",
    "ReconstructionConfig",
    "RingBuffer",
    "SetObjective",
    "SetObjectiveConfig",
    "SigmoidContrast",
    "SigmoidContrastConfig",
    "Volume",
    "VolumeConfig",
    "WeightedPairConfig",
]

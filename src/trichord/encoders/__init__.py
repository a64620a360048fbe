"""Encoders: from the features of one modality to the joint space, and the dictionary that holds them together."""

from __future__ import annotations

from trichord.encoders.audio import AudioEncoder, AudioEncoderConfig
from trichord.encoders.contract import Encoder, EncoderConfig
from trichord.encoders.gated import GatedUnit, gate
from trichord.encoders.image import ImageHead, ImageHeadConfig
from trichord.encoders.joint import JointEncoder, JointEncoderConfig, unit_rows
from trichord.encoders.normalization import GlobalBatchNorm2d
from trichord.encoders.pooled import (
    GatedHead,
    GatedHeadConfig,
    LinearHead,
    LinearHeadConfig,
    ResidualHead,
    ResidualHeadConfig,
)
from trichord.encoders.resdavenet import ResDAVEnet
from trichord.encoders.standardize import Standardize
from trichord.encoders.words import WordPool, WordPoolConfig

__all__ = [
    "AudioEncoder",
    "AudioEncoderConfig",
    "Encoder",
    "EncoderConfig",
    "GatedHead",
    "GatedHeadConfig",
    "GatedUnit",
    "GlobalBatchNorm2d",
    "ImageHead",
    "ImageHeadConfig",
    "JointEncoder",
    "JointEncoderConfig",
    "LinearHead",
    "LinearHeadConfig",
    "ResDAVEnet",
    "ResidualHead",
    "ResidualHeadConfig",
    "Standardize",
    "WordPool",
    "WordPoolConfig",
    "gate",
    "unit_rows",
]

"""Pretrained networks of transformers, loaded from a folder: the one door to that library, which loads when used."""

from trichord.backbones.checkpoint import Checkpoint, copy_files, find_folder, open_checkpoint
from trichord.backbones.families import FAMILIES, Family, find_family
from trichord.backbones.models import load_model, make_model
from trichord.backbones.preparing import Prepared, Preparer, load_preparer

__all__ = [
    "FAMILIES",
    "Checkpoint",
    "Family",
    "Prepared",
    "Preparer",
    "copy_files",
    "find_family",
    "find_folder",
    "load_model",
    "load_preparer",
    "make_model",
    "open_checkpoint",
]

"""Experiments and run folders: what is trained, where it is kept, and how it is taken up again."""

from trichord.runs.directory import DatasetIdentity, RunDirectory, RunRecord
from trichord.runs.experiment import ExperimentConfig, MeasurementConfig, SelectionConfig
from trichord.runs.inputs import Item
from trichord.runs.model import Model, load
from trichord.runs.options import RunOptions
from trichord.runs.run import identify, run_experiment
from trichord.runs.suitability import check_data

__all__ = [
    "DatasetIdentity",
    "ExperimentConfig",
    "Item",
    "MeasurementConfig",
    "Model",
    "RunDirectory",
    "RunOptions",
    "RunRecord",
    "SelectionConfig",
    "check_data",
    "identify",
    "load",
    "run_experiment",
]

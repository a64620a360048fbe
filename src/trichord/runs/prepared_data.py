"""Data as the encoders of a model read them: raw inputs prepared by the processors of its pretrained backbones."""

from __future__ import annotations

from collections.abc import Mapping

from trichord.data import Dataset
from trichord.data.prepared import prepare
from trichord.encoders import EncoderConfig
from trichord.encoders.backbone import BackboneConfig


def prepared_view(dataset: Dataset, encoders: Mapping[str, EncoderConfig]) -> Dataset:
    """Return a view of the data for these encoders; the data themselves where no backbone reads raw inputs.

    A modality that was prepared before by the same files is left as it is.

    Args:
        dataset: raw inputs, or a view of them.
        encoders: modality name -> its encoder.

    Raises:
        ConfigError: the data lack a modality or hold features where a backbone reads raw inputs, or the files of a
            processor are gone or changed.
        DataError: a recording is shorter than its network can read.
    """
    backbones = {name: encoder for name, encoder in encoders.items() if isinstance(encoder, BackboneConfig)}
    open_ones = {
        name: encoder for name, encoder in backbones.items() if dataset.stored(name).preparation != encoder.processor
    }
    for name, encoder in open_ones.items():
        found = dataset.stored(name).header
        encoder.check_inputs(name, found.kind, found.rate)
    return prepare(dataset, {name: encoder.preparer() for name, encoder in open_ones.items()})

"""What stands between features and vectors besides weights: a hash of each encoder's settings."""

from __future__ import annotations

from trichord.encoders import JointEncoderConfig
from trichord.files import hash_json

OF_THE_DATA = "num_words"


def preprocessing_of(config: JointEncoderConfig) -> dict[str, str]:
    """Return modality name -> hash of its encoder's settings and of whether vectors are normalised.

    How many words a table holds is left out: the table is the data's own.
    """
    return {
        name: hash_json(
            {"normalize": config.normalize, **{k: v for k, v in encoder.to_dict().items() if k != OF_THE_DATA}}
        )
        for name, encoder in config.encoders.items()
    }

"""A finished run as a model: features in, vectors of the joint space out, in the manner of sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from trichord.batch import Features
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, DataError, RunError, nearest
from trichord.files import hash_tensors
from trichord.runs.directory import RunDirectory
from trichord.runs.experiment import ExperimentConfig
from trichord.shapes import Tensor
from trichord.training.checkpoint import load_state, load_tensors

Vectors = np.ndarray | torch.Tensor


class Model:
    """A trained joint encoder.

    Args:
        config: the experiment it came from.
        encoder: the encoder, weights loaded.
        identity: hash of the weights.
    """

    def __init__(self, config: ExperimentConfig, encoder: JointEncoder, identity: str) -> None:
        self.config, self.encoder, self.identity = config, encoder.eval(), identity

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities it encodes."""
        return self.encoder.modalities

    @property
    def dim(self) -> int:
        """Width of the joint space."""
        return self.encoder.dim

    def supports(self, modality: str) -> bool:
        """Whether it encodes a modality."""
        return modality in self.encoder.encoders

    def encode(
        self,
        inputs: Mapping[str, Sequence[Any] | np.ndarray | torch.Tensor],
        *,
        batch_size: int = 1024,
        show_progress_bar: bool = False,
        normalize_embeddings: bool = False,
        convert_to_tensor: bool = False,
    ) -> dict[str, Vectors]:
        """Encode features, each modality by its own encoder.

        Args:
            inputs: modality name -> n pooled vectors, as an (n, features) array or a list of (features,) vectors; or,
                where the encoder reads sequences, a list of n (time, features) arrays. The modalities need not have
                equally many entries.
            batch_size: entries encoded at once; it does not change the vectors beyond rounding.
            show_progress_bar: show one bar per modality.
            normalize_embeddings: bring vectors to length one. Models of normalised spaces do so anyway.
            convert_to_tensor: return torch tensors on the model's device instead of NumPy arrays.

        Returns:
            Modality name -> (n, dim) float32 vectors, in the order given.

        Raises:
            ConfigError: a modality the model does not have.
            DataError: input that is not features of the right width, or not finite. Text and paths are never guessed
                to be anything: this model reads features.
        """
        if not isinstance(inputs, Mapping):
            raise DataError(
                f"inputs are a dictionary from modality to features, got {type(inputs).__name__}",
                remedy=f"Say which modality it is, for instance encode({{{self.modalities[0]!r}: features}})",
            )
        return {
            name: self._encode_one(name, values, batch_size, show_progress_bar, normalize_embeddings, convert_to_tensor)
            for name, values in inputs.items()
        }

    def similarity(self, a: Vectors, b: Vectors) -> torch.Tensor:
        """Return the (rows of a, rows of b) matrix of dot products in float32: cosines in a normalised space."""
        return torch.as_tensor(a, dtype=torch.float32) @ torch.as_tensor(b, dtype=torch.float32).T

    def _encode_one(
        self, name: str, values: Any, batch_size: int, show_progress_bar: bool, normalize: bool, as_tensor: bool
    ) -> Vectors:
        if not self.supports(name):
            raise ConfigError(f"this model has no {name!r} encoder; {nearest(name, self.modalities)}")
        sequences, width = self.encoder.encoder(name).sequences, self.encoder.encoder(name).input_dim
        rows = [_checked(name, number, row, width, sequences) for number, row in enumerate(values)]
        device = next(self.encoder.parameters()).device
        encoded = []
        for begin in tqdm(range(0, len(rows), batch_size), desc=name, disable=not show_progress_bar):
            features = _features(rows[begin : begin + batch_size], sequences).to(device)
            with torch.no_grad():
                vectors = self.encoder({name: features}, len(features.rows), only=(name,)).vectors[name]
            encoded.append(torch.nn.functional.normalize(vectors, dim=1) if normalize else vectors)
        result = torch.cat(encoded) if encoded else torch.zeros(0, self.dim, device=device)
        return result if as_tensor else result.cpu().numpy()


def _checked(name: str, number: int, row: Any, width: int, sequences: bool) -> Tensor:
    shape = f"a (time, {width}) array" if sequences else f"a vector of {width} numbers"
    remedy = f"Give {shape} per entry; compute features from media or text first"
    if isinstance(row, (str, bytes, Path)):
        raise DataError(f"{name} was given {row!r}, but this model reads features", row=number, remedy=remedy)
    tensor = torch.as_tensor(np.asarray(row) if not isinstance(row, torch.Tensor) else row, dtype=torch.float32)
    if tensor.ndim != (2 if sequences else 1) or tensor.shape[-1] != width or not len(tensor):
        raise DataError(f"{name} needs {shape}, got shape {tuple(tensor.shape)}", row=number, remedy=remedy)
    if not bool(torch.isfinite(tensor).all()):
        raise DataError(f"{name} holds numbers that are not finite", row=number, remedy="Mend or leave out the entry")
    return tensor


def _features(rows: list[Tensor], sequences: bool) -> Features:
    positions = torch.arange(len(rows))
    if not sequences:
        return Features(torch.stack(rows), positions)
    lengths = torch.tensor([len(row) for row in rows])
    return Features(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), positions, lengths)


def load(run: str | Path, *, device: str | torch.device | None = None) -> Model:
    """Load a finished run as a model.

    Args:
        run: the run folder.
        device: where to compute; None takes a GPU if there is one.

    Raises:
        RunError: the folder is no run, was written by another version, or the run is not finished.
    """
    directory = RunDirectory(run)
    record = directory.record()
    if not directory.finished:
        raise RunError(f"{directory.path} is {directory.status()['state']}; finish it with `trichord train` first")
    encoder: JointEncoder = record.config.model.build()
    tensors, note = load_tensors(directory.model_file)
    if hash_tensors(tensors) != note["hash"]:
        raise RunError(
            f"{directory.model_file}: the weights are not those that were saved (another hash than "
            f"{note['hash']}); restore the file, or train again in another folder"
        )
    load_state(encoder, tensors)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Model(record.config, encoder.to(chosen), note["hash"])

"""A finished run as a model: features in, vectors of the joint space out, in the manner of sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import IDENTITY_FILE, load_identity
from trichord.adapters.settings import BASE
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, RunError, nearest
from trichord.evaluation.route import RouteConfig, check_route
from trichord.files import hash_tensors
from trichord.runs.directory import RunDirectory
from trichord.runs.encoding import Adapters, Encoding, one_each
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.inputs import Inputs, Item, num_rows, read_columns
from trichord.runs.loaded_routes import LoadedRoutes
from trichord.runs.preprocessing import preprocessing_of
from trichord.runs.routing import find_route, make_stamp
from trichord.runs.side_vectors import SideName, summed
from trichord.runs.stamps import Stamp
from trichord.shapes import Tensor
from trichord.training.checkpoint import load_state, load_tensors

Vectors = np.ndarray | torch.Tensor


class Model:
    """A trained joint encoder, and the adapters over it.

    There is no adapter "that is set": every call says which it means. Threads may share a model: one encodes at a time,
    and adapters stay what they are meanwhile.

    Args:
        config: the experiment it came from.
        encoder: the encoder, weights loaded.
        identity: hash of the weights.
    """

    def __init__(self, config: ExperimentConfig, encoder: JointEncoder, identity: str) -> None:
        self.config, self.encoder, self.identity = config, encoder.eval(), identity
        self.preprocessing: Mapping[str, str] = preprocessing_of(config.model)
        self.bank = AdapterBank(self.encoder, identity, self.preprocessing)
        """Its adapters."""
        self._loaded = LoadedRoutes(self.bank, config.modalities)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities it encodes."""
        return self.encoder.modalities

    @property
    def dim(self) -> int:
        """Width of the joint space."""
        return self.encoder.dim

    @property
    def routes(self) -> Mapping[str, RouteConfig]:
        """The loaded routes: spelled task -> its route."""
        return self._loaded.routes

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters; the base is none of them."""
        return self.bank.names

    def supports(self, modality: str) -> bool:
        """Whether it encodes a modality."""
        return modality in self.encoder.encoders

    def load_adapter(self, folder: str | Path, name: str | None = None) -> str:
        """Load an adapter from its folder and return the name it goes by; see `AdapterBank.load`."""
        return self.bank.load(folder, name)

    def delete_adapter(self, name: str) -> None:
        """Take an adapter out of memory; loaded routes that name it are refused until the same one is loaded again."""
        self.bank.remove(name)

    def load_routes(self, path: str | Path) -> None:
        """Load routes.json in place of the routes there are and their mixtures, and make the mixtures it names.

        On an error all is as before.

        Raises:
            RunError: it is of another base, or an adapter it names is not loaded or is another one.
            ConfigError: a route does not suit the model, or the name of a mixture is taken.
        """
        self._loaded.load(path)

    def unload_routes(self) -> None:
        """Forget the loaded routes, and take the mixtures made for them out of memory."""
        self._loaded.unload()

    def find_route(self, route: str | RouteConfig, adapter: str | None = None) -> RouteConfig:
        """Return the route that answers a spelled task, or the given one, after a check that the model can.

        Args:
            route: "T>V", or a route.
            adapter: answer the whole task under this one, or under "base"; None: as the loaded routes say.

        Raises:
            ConfigError: there is none, or it names modalities or adapters that the model lacks or that are of another
                pair.
            RunError: it is a loaded route, and an adapter it names has gone since, or another took its name.
        """
        known = self.config.modalities
        found = find_route(route, adapter, known=known, routes=self.routes, adapters=self.adapters)
        if isinstance(route, str) and adapter is None:
            self._loaded.check_adapters(found)
        check_route(found, known, self.bank.identities)
        return found

    def stamp(self, route: str | RouteConfig, side: SideName, *, adapter: str | None = None) -> Stamp:
        """Return what the vectors of one side of a route are; see `encode` for the arguments."""
        return make_stamp(
            self.find_route(route, adapter),
            side,
            self.bank,
            dim=self.dim,
            known=self.config.modalities,
            preprocessing=self.preprocessing,
        )

    @overload
    def encode(
        self,
        inputs: Inputs,
        *,
        adapter: Adapters | None = None,
        route: None = None,
        side: None = None,
        batch_size: int = 1024,
        show_progress_bar: bool = False,
        normalize_embeddings: bool = False,
        convert_to_tensor: bool = False,
    ) -> dict[str, Vectors]: ...

    @overload
    def encode(
        self,
        inputs: Sequence[Item],
        *,
        adapter: Adapters | None = None,
        route: None = None,
        side: None = None,
        batch_size: int = 1024,
        show_progress_bar: bool = False,
        normalize_embeddings: bool = False,
        convert_to_tensor: bool = False,
    ) -> Vectors: ...

    @overload
    def encode(
        self,
        inputs: Inputs | Sequence[Item],
        *,
        adapter: str | None = None,
        route: str | RouteConfig,
        side: SideName,
        batch_size: int = 1024,
        show_progress_bar: bool = False,
        normalize_embeddings: bool = False,
        convert_to_tensor: bool = False,
    ) -> Vectors: ...

    def encode(
        self,
        inputs: Any,
        *,
        adapter: Adapters | None = None,
        route: str | RouteConfig | None = None,
        side: SideName | None = None,
        batch_size: int = 1024,
        show_progress_bar: bool = False,
        normalize_embeddings: bool = False,
        convert_to_tensor: bool = False,
    ) -> dict[str, Vectors] | Vectors:
        """Encode features, each modality by its own encoder, under the adapters that are asked for.

        Args:
            inputs: modality name -> n entries, or a list of `Item`. An entry is a pooled vector (features,); where the
                encoder reads sequences, a (time, features) array; where it reads words by number, a list of word ids.
                Without a route the modalities need not have equally many entries. With one, the k-th entries of all
                modalities are one item, and None stands where it lacks a modality.
            adapter: name of a loaded adapter, or "base"; or one name per entry. With a route: the adapter under which
                the whole task is answered. Must be given where adapters are loaded, unless a route says it.
            route: a task such as "T>VA", answered as the loaded routes say, or a route of your own.
            side: "query" or "gallery"; which side of the route the inputs are.
            batch_size: entries encoded at once; it does not change the vectors beyond rounding.
            show_progress_bar: show one bar per modality and adapter.
            normalize_embeddings: bring vectors to length one. Models of normalised spaces do so anyway; vectors of
                items and of routes are scaled already, and it changes nothing there.
            convert_to_tensor: return torch tensors on the model's device instead of NumPy arrays.

        Returns:
            Of a dictionary: modality name -> (n, dim) float32 vectors, in the order given. Of items: (n, dim), for each
            the sum of the unit vectors of its modalities, brought to length one. With a route: (n, legs x dim), such
            that the dot product of a query's vector and a gallery's is the route's score; a row that lacks legs is
            judged by those it has, see `trichord.runs.side_vectors`.

        Raises:
            ConfigError: a modality, adapter or route the model does not have, or adapters are loaded and nothing says
                which is meant: a missing adapter never means none.
            DataError: input that is not features of the right width, or not finite. Text and paths are never guessed
                to be anything: this model reads features.
        """
        columns = read_columns(inputs)
        for name in columns:
            if not self.supports(name):
                raise ConfigError(f"this model has no {name!r} encoder; {nearest(name, self.modalities)}")
        with self.bank.lock:
            encoding = Encoding(self.bank, batch_size, show_progress_bar)
            if route is not None:
                if side is None or not (adapter is None or isinstance(adapter, str)):
                    wrong = "one adapter" if side else "which side of it the inputs are: side='query' or side='gallery'"
                    raise ConfigError(f"with a route, say {wrong}")
                found = encoding.side(columns, self.find_route(route, adapter), side)
                return self._given_back(torch.from_numpy(found), convert_to_tensor)
            if side is not None:
                raise ConfigError(f"side={side!r} is a side of a route; name the route too, as in route='T>V'")
            asked = self._asked(adapter)
            if not isinstance(inputs, Mapping):
                rows = num_rows(columns)
                parts = {name: encoding.held(name, values, one_each(asked, rows)) for name, values in columns.items()}
                return self._given_back(torch.from_numpy(summed(parts).vectors), convert_to_tensor)
            results: dict[str, Vectors] = {}
            for name, values in columns.items():
                vectors = encoding.rows(name, dict(enumerate(values)), one_each(asked, len(values)))
                normalized = torch.nn.functional.normalize(vectors, dim=1) if normalize_embeddings else vectors
                results[name] = self._given_back(normalized, convert_to_tensor)
            return results

    def encode_query(self, inputs: Inputs | Sequence[Item], *, route: str | RouteConfig, **options: Any) -> Vectors:
        """Encode the query side of a route; see `encode`."""
        return self.encode(inputs, route=route, side="query", **options)

    def encode_document(self, inputs: Inputs | Sequence[Item], *, route: str | RouteConfig, **options: Any) -> Vectors:
        """Encode the gallery side of a route; see `encode`."""
        return self.encode(inputs, route=route, side="gallery", **options)

    def similarity(self, a: Vectors, b: Vectors) -> torch.Tensor:
        """Return the (rows of a, rows of b) matrix of dot products in float32: cosines in a normalised space."""
        return torch.as_tensor(a, dtype=torch.float32) @ torch.as_tensor(b, dtype=torch.float32).T

    def _asked(self, adapter: Adapters | None) -> Adapters:
        if adapter is None and self.adapters:
            raise ConfigError(
                f"adapters are loaded ({', '.join(self.adapters)}): say which is meant, as in "
                f"adapter={self.adapters[0]!r}, or adapter={BASE!r} for none of them, or name a route; a missing "
                "adapter never means none"
            )
        return BASE if adapter is None else adapter

    def _given_back(self, vectors: Tensor, as_tensor: bool) -> Vectors:
        if as_tensor:
            return vectors.to(next(self.encoder.parameters()).device)
        return vectors.cpu().numpy()


def load(run: str | Path, *, device: str | torch.device | None = None) -> Model:
    """Load a finished run as a model, with the adapters that were learnt together with it.

    Args:
        run: the run folder.
        device: where to compute; None takes a GPU if there is one.

    Raises:
        RunError: the folder is no run, was written by another version, is not finished, or holds adapters over a base
            that lies elsewhere.
    """
    directory = RunDirectory(run)
    if directory.exists:
        directory.record()  # a classifier holds matrices without a base as well, and is no folder of adapters
    _require_base(directory)
    record = directory.record()
    if not directory.finished:
        raise RunError(f"{directory.path} is {directory.status()['state']}; finish it with `trichord train` first")
    encoder: JointEncoder = record.config.model.build()
    tensors, note = load_tensors(directory.model_file)
    if hash_tensors(tensors) != note.get("hash"):
        raise RunError(
            f"{directory.model_file}: the weights are not those that were saved (another hash than "
            f"{note.get('hash')}); restore the file, or train again in another folder"
        )
    load_state(encoder, tensors)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = Model(record.config, encoder.to(chosen), note["hash"])
    for folder in _adapter_folders(directory):
        model.load_adapter(folder, folder.name)
    return model


def _require_base(directory: RunDirectory) -> None:
    """Raise `RunError` for a folder of adapters without the base they are over."""
    if directory.model_file.exists():
        return
    own = [directory.path] if (directory.path / IDENTITY_FILE).exists() else _adapter_folders(directory)
    if own:
        over = f"an adapter over the base {load_identity(own[0]).base}"
        calls = ", ".join(f"model.load_adapter({str(folder)!r})" for folder in own)
        raise RunError(f"{directory.path} is {over}; load its base and then {calls}")


def _adapter_folders(directory: RunDirectory) -> list[Path]:
    folder = directory.path / "adapters"
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

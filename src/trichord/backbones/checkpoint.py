"""A checkpoint on disk: where it lies, of which family it is, and the files that are needed beside its weights.

Nothing is downloaded, ever: a name of the hub is looked up among the files that were downloaded before, so that a run
does not depend on the network, nor on what a name stands for today.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from trichord.backbones.families import FAMILIES, READS, Family, find_family, supported
from trichord.errors import ConfigError, DataError
from trichord.files import hash_bytes, read_json

CONFIG_FILE = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that suits a kind of raw input.

    Args:
        source: the folder or hub name it was asked for by.
        folder: where it lies.
        family: what it is.
    """

    source: str
    folder: Path
    family: Family

    @property
    def processor_files(self) -> tuple[Path, ...]:
        """The files of its image processor, feature extractor or tokenizer."""
        names = TOKENIZER_FILES if self.family.reads == "text" else PROCESSOR_FILES
        return tuple(self.folder / name for name in names if (self.folder / name).is_file())

    def processor_hash(self) -> str:
        """Hash what its processor is: family, names and bytes of the files."""
        parts = [part for file in self.processor_files for part in (file.name.encode(), file.read_bytes())]
        return hash_bytes([self.family.name.encode(), *parts])


def find_folder(source: str) -> Path:
    """Return the folder of a checkpoint.

    Args:
        source: a folder, or a name on the hub whose files were downloaded before.

    Raises:
        ConfigError: there is neither such a folder nor such a download.
    """
    folder = Path(source)
    if source and folder.is_dir():
        return folder
    if not source or folder.exists() or not _HUB_NAME.fullmatch(source):
        raise ConfigError(f"{source!r} is no folder with a checkpoint; name one that model.save_pretrained wrote")
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(source, CONFIG_FILE, local_files_only=True)
        if found is None:
            raise OSError("no such file")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{source!r} is neither a folder nor a checkpoint that was downloaded; nothing is downloaded while "
            f"learning: name a folder, or fetch it first with: hf download {source}"
        ) from error
    return Path(found).parent


def open_checkpoint(source: str, kind: str, family: str | None = None) -> Checkpoint:
    """Find a checkpoint and its family.

    Args:
        source: a folder or a hub name; see `find_folder`.
        kind: of raw input it is to read: "image", "frames", "waveform" or "text".
        family: what it must be; None takes what config.json says.

    Raises:
        ConfigError: there is no checkpoint, it is of no supported family, or it reads something else.
    """
    folder, reads = find_folder(source), READS[kind]
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(f"{folder} holds no {CONFIG_FILE}, so it is no checkpoint of transformers")
    try:
        described = read_json(folder / CONFIG_FILE)
    except DataError as error:
        raise ConfigError(str(error)) from error
    model_type = described.get("model_type") if isinstance(described, dict) else None
    fitting = [one for one in FAMILIES if model_type in one.model_types]
    suited = [one for one in fitting if one.reads == reads]
    if not fitting:
        listed = described.get("architectures") if isinstance(described, dict) else None
        name = f" ({', '.join(map(str, listed))})" if isinstance(listed, list) and listed else ""
        raise ConfigError(
            f"{folder}: the architecture {model_type!r}{name} is not supported; supported are {supported()}"
        )
    if not suited:
        raise ConfigError(
            f"{folder}: {' and '.join(one.name for one in fitting)} reads {fitting[0].reads}s, and here a network for "
            f"the kind {kind!r} is needed; {supported(reads)}"
        )
    if family is not None and suited[0] is not find_family(family):
        raise ConfigError(f"{folder} holds {suited[0].name}, where {family} was expected")
    checkpoint = Checkpoint(source, folder, suited[0])
    if not checkpoint.processor_files:
        missing = "tokenizer.json" if reads == "text" else PROCESSOR_FILES[0]
        what = {"image": "image processor", "waveform": "feature extractor", "text": "tokenizer"}[reads]
        raise ConfigError(
            f"{folder} lacks the files of its {what} ({missing}); write them with its save_pretrained into this folder"
        )
    return checkpoint


def check_weights(folder: Path) -> None:
    """Raise `ConfigError` unless a folder holds weights as safetensors; pickled ones are never read."""
    if any((folder / name).is_file() for name in WEIGHTS):
        return
    pickled = sorted(file.name for file in (*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.h5")))
    hint = f"; {pickled[0]} is not read, since unpickling can run code" if pickled else ""
    raise ConfigError(
        f"{folder} holds no {WEIGHTS[0]}{hint}. Write the weights with model.save_pretrained of a recent transformers"
    )


def copy_files(checkpoint: Checkpoint, folder: Path) -> None:
    """Copy what is needed beside the weights: the configuration and the files of the processor."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (checkpoint.folder / CONFIG_FILE, *checkpoint.processor_files):
        if (folder / file.name).resolve() != file.resolve():
            shutil.copyfile(file, folder / file.name)

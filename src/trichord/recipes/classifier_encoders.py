"""An encoder for every modality of a classifier: a pretrained backbone where one is named, and else one of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trichord.data import Dataset, ModalitySpec
from trichord.data.prepared import StoredPrepared
from trichord.data.specification import RAW_WIDTHS
from trichord.encoders import EncoderConfig
from trichord.encoders.backbone import BackboneConfig, attention_targets, describe_backbone
from trichord.errors import ConfigError, nearest
from trichord.runs.prepared_data import prepared_view

OWN_TARGETS = "linear and convolution"
Own = Callable[[ModalitySpec], EncoderConfig]


@dataclass(frozen=True)
class Chosen:
    """The encoders of a classifier, and the data as they read them.

    Args:
        encoders: modality name -> its encoder, in the order of the data.
        dataset: the view of the data that the encoders take.
        targets: modality name -> layers that get low-rank matrices: the attention's query and value in a backbone,
            every layer in an encoder of ours.
        described: modality name -> what its encoder is, for people; what is cut off its inputs is said.
    """

    encoders: dict[str, EncoderConfig]
    dataset: Dataset
    targets: dict[str, str]
    described: dict[str, str]


def read_modalities(dataset: Dataset, given: Sequence[str]) -> tuple[str, ...]:
    """Read modalities that are given by name or letter, "video" or "V"; several letters may be one word, "VA".

    Returns:
        Their names, in the order of the data.

    Raises:
        ConfigError: one is not there, or is named twice.
    """
    known = dataset.modalities
    words = {word: modality.name for modality in known for word in (modality.letter, modality.name)}
    names: list[str] = []
    for word in given:
        letters = [word] if word in words else list(word)
        if not letters or any(letter not in words for letter in letters):
            raise ConfigError(f"{dataset.path}: there is no modality {word!r}; {nearest(word, list(words))}")
        names += [words[letter] for letter in letters]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"each modality is named once, got {twice[0]} twice in {list(given)}")
    return tuple(modality.name for modality in known if modality.name in names)


def choose_encoders(
    dataset: Dataset, modalities: Sequence[str], sources: Mapping[str, str], own: Own | None = None
) -> Chosen:
    """Choose an encoder for every modality.

    Args:
        dataset: raw inputs, features, or both.
        modalities: names of those that are used.
        sources: modality name -> folder or hub name of a pretrained checkpoint; nothing is downloaded.
        own: makes an encoder for features; None where every modality has a source.

    Raises:
        ConfigError: a modality is not there, holds raw inputs and has no source, or holds features and has one; or a
            checkpoint is missing, unsupported, damaged, or reads something else.
        DataError: a recording is shorter than its network can read.
    """
    entries = {entry.modality.name: entry for entry in dataset.spec.modalities}
    for name in (*modalities, *sources):
        if name not in entries:
            raise ConfigError(f"{dataset.path}: there is no modality {name!r}; {nearest(name, list(entries))}")
    unused = [name for name in sources if name not in modalities]
    if unused:
        raise ConfigError(f"a checkpoint is named for {unused[0]!r}, which is not used; used are {list(modalities)}")
    encoders = {
        name: _choose(dataset, entry, sources.get(name), own) for name, entry in entries.items() if name in modalities
    }
    view = prepared_view(dataset, encoders)
    return Chosen(
        encoders,
        view,
        {
            name: attention_targets(encoder) if isinstance(encoder, BackboneConfig) else OWN_TARGETS
            for name, encoder in encoders.items()
        },
        {name: _describe(encoder, view, name) for name, encoder in encoders.items()},
    )


def _choose(dataset: Dataset, entry: ModalitySpec, source: str | None, own: Own | None) -> EncoderConfig:
    name, raw = entry.modality.name, entry.kind in RAW_WIDTHS
    if source is not None and not raw:
        raise ConfigError(
            f"{name} of {dataset.path} holds features (kind {entry.kind!r}), and a pretrained checkpoint reads raw "
            f"inputs ({', '.join(RAW_WIDTHS)}); leave {source} away"
        )
    if source is not None:
        try:
            return describe_backbone(source, entry.kind, rate=entry.rate)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error
    if raw or own is None:
        raise ConfigError(
            f"{name} of {dataset.path} holds {'raw inputs' if raw else 'features'} (kind {entry.kind!r}) and has no "
            f"encoder; name a pretrained one that reads them: {name}=FOLDER"
        )
    return own(entry)


def _describe(encoder: EncoderConfig, view: Dataset, name: str) -> str:
    if not isinstance(encoder, BackboneConfig):
        return f"ours: {type(encoder).__name__.removesuffix('Config')}, {encoder.output_dim} wide"
    said = f"{encoder.family} from {encoder.source}, {encoder.output_dim} wide ({encoder.pooling})"
    stored = view.stored(name)
    cut = stored.num_cut if isinstance(stored, StoredPrepared) else 0
    what = "captions" if encoder.reads == "text" else "recordings"
    return said + (f"; of {cut} {what} it sees the beginning only" if cut else "")

"""trichord: one embedding space for video, audio and text, trained in stages and measured so that the numbers hold.

`trichord.load(run)` returns a trained model. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trichord.data import Dataset as Dataset
    from trichord.runs import Item as Item
    from trichord.runs import Model as Model
    from trichord.runs import load as load

__version__ = "0.1.0"
__all__ = ["Dataset", "Item", "Model", "load"]

_HOMES = {"Dataset": "trichord.data", "Item": "trichord.runs", "Model": "trichord.runs", "load": "trichord.runs"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trichord' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

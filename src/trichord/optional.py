"""Optional packages load when they are used; one that is absent raises an error that says what to install."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from trichord.errors import TrichordError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or raise `TrichordError` naming the extra that brings it.

    Args:
        module: dotted module name, for instance "matplotlib.pyplot".
        extra: extra of this package that installs it, for instance "report".
        purpose: what it is needed for, for the message.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise TrichordError(
            f"{purpose} needs {package}, which is not installed: pip install 'trichord[{extra}]'"
        ) from error

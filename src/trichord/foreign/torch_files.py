"""Files of torch.save, as NumPy arrays; torch.load is never called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trichord.foreign.budget import Budget
from trichord.foreign.mapped import read_mapped
from trichord.foreign.settling import settle
from trichord.foreign.torch_formats import read_torch


def read_torch_file(path: Path) -> Any:
    """Read a file of `torch.save` (.pth, .pt: zip archive, or the older sequence of pickles) without running its code.

    Args:
        path: the file. It must stay unchanged while the arrays are used.

    Returns:
        What was saved, with tensors, parameters and storages as read-only `np.ndarray`: of a state dict,
        dict[str, np.ndarray]. Tensors that share a storage look into the same memory; bfloat16 becomes float32. The
        versions of module classes that torch attaches to a state dict are left out. For the rest see `read_pickle`.

    Raises:
        DataError: the file is missing, damaged, of another kind, or asks for anything that is not such data.
    """

    def read(data: memoryview) -> object:
        budget = Budget(len(data))
        return settle(read_torch(data, budget, "utf-8"), budget)

    return read_mapped(path, read)

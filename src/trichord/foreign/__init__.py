"""Files other people's programs wrote: pickles and torch files, read as plain data without running their code."""

from trichord.foreign.pickles import read_pickle
from trichord.foreign.torch_files import read_torch_file

__all__ = ["read_pickle", "read_torch_file"]

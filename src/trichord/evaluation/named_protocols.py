"""Every named protocol there is."""

from __future__ import annotations

from trichord.errors import ConfigError, nearest
from trichord.evaluation.benchmark import BENCHMARKS
from trichord.evaluation.named import NamedProtocol
from trichord.evaluation.step_benchmark import CROSSTASK_STEPS
from trichord.evaluation.whole_video_benchmark import YOUCOOK2_WHOLE_VIDEO

PROTOCOLS: tuple[NamedProtocol, ...] = (*BENCHMARKS, YOUCOOK2_WHOLE_VIDEO, CROSSTASK_STEPS)


def find_protocol(name: str) -> NamedProtocol:
    """Return a protocol by its name; raise `ConfigError` with the nearest one."""
    for protocol in PROTOCOLS:
        if protocol.name == name:
            return protocol
    raise ConfigError(f"there is no benchmark {name!r}; {nearest(name, [p.name for p in PROTOCOLS])}")

"""One sitting of a training in its folder: held for this process, begun or taken up again, its end written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from trichord.config import Config
from trichord.dist import barrier, is_main, world_size
from trichord.files import read_json, write_json
from trichord.runs.directory import Directory, DirectoryRecord
from trichord.runs.environment import describe_environment
from trichord.training.engine import Engine
from trichord.training.loop import Position

C = TypeVar("C", bound=Config)


@contextmanager
def working_in(directory: Directory[C], record: Callable[[], DirectoryRecord[C]]) -> Iterator[None]:
    """Hold a folder while the block runs, once it says what it is of; the other processes wait for that.

    Args:
        directory: the folder.
        record: what it is of; asked in the main process alone, because data are hashed for it.

    Raises:
        RunError: the folder holds something else or is busy.
    """
    if not is_main():
        barrier()
        yield
        return
    with directory.lock():
        directory.begin(record())
        barrier()
        yield


@contextmanager
def telling_the_end(directory: Directory[Any]) -> Iterator[None]:
    """Wait for all processes at the end of the block; where it fails or is stopped, write so into status.json."""
    try:
        yield
        barrier()
    except BaseException as error:
        if is_main():
            interrupted = isinstance(error, KeyboardInterrupt)
            state, message = ("interrupted", None) if interrupted else ("failed", str(error))
            directory.write_status(state=state, error=message)
        raise


def begin_sitting(directory: Directory[Any], engine: Engine, start: Position | None, **fields: Any) -> None:
    """Write, in the main process, that it runs and on what; forget what was logged and will be done again.

    Args:
        directory: the folder.
        engine: what it runs on.
        start: where it is taken up again; None: it begins.
        fields: what else a beginning writes into status.json.
    """
    if not is_main():
        return
    record_environment(directory, engine, anew=start is None)
    if start is None:
        directory.metrics_file.unlink(missing_ok=True)
        directory.write_status(state="running", error=None, **fields)
    else:
        directory.forget_metrics(start.stage, start.epoch, start.step)
        directory.write_status(state="running", error=None)


def record_environment(directory: Directory[Any], engine: Engine, *, anew: bool) -> None:
    """Write what the run runs on; a run taken up elsewhere keeps what was there before under "earlier"."""
    used = {"precision": engine.precision, "device": str(engine.device), "processes": world_size()}
    found = describe_environment() | used
    there = {} if anew or not directory.environment_file.exists() else read_json(directory.environment_file)
    earlier = there.pop("earlier", [])
    if there and there != found:
        earlier = [*earlier, there]
    write_json(directory.environment_file, found | ({"earlier": earlier} if earlier else {}))

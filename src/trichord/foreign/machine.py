"""A stack machine for pickles, of protocols 0 to 5, that knows data and nothing else.

Facts of the format: CPython's `pickletools`. Python's own unpickler imports and calls what the file names; with
`find_class` overridden it still calls what is returned, and sets attributes on the results. This machine has no such
instruction (see `parts.py`), so what a file can do does not depend on a list of dangers being complete. It reads from
a memory map and keeps byte strings as views, so the file is not copied; and it knows the byte at which it stands, for
messages.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping

from trichord.foreign.budget import Budget
from trichord.foreign.cursor import Cursor
from trichord.foreign.instructions import INSTRUCTIONS, NEVER
from trichord.foreign.parts import Part
from trichord.foreign.refusal import CUT_OFF, DAMAGED, Refusal
from trichord.foreign.state import Persistent, State

_STOP = pickle.STOP[0]
_FIRST_STEPS = 16


def run_pickle(
    cursor: Cursor,
    admitted: Mapping[str, Part],
    budget: Budget,
    encoding: str,
    persistent: Persistent | None = None,
) -> object:
    """Run one pickle.

    Args:
        cursor: where the pickle begins; it is left where the pickle ends.
        admitted: the parts a pickle may name, by dotted name.
        budget: bound on copies.
        encoding: how to read text of Python 2.
        persistent: what stands for an object stored outside the pickle; None where there is nothing outside.

    Returns:
        Containers and scalars, and parts that `settle` completes.

    Raises:
        Refusal: the pickle is damaged, or asks for what is not data.
    """
    state = State(cursor, admitted, budget, encoding, persistent)
    start = place = cursor.position
    try:
        while (code := cursor.byte()) != _STOP:
            perform = INSTRUCTIONS.get(code)
            if perform is None:
                raise Refusal(f"the pickle {NEVER.get(code, f'has an instruction {code:#04x}, which there is not')}")
            perform(state)
            place = cursor.position
        root = state.stack.pop()
        if state.stack or state.below:
            raise Refusal("the pickle ends with values left over")
    except IndexError as error:
        raise _placed(Refusal("the pickle takes from its stack what is not there"), start, place) from error
    except Refusal as refusal:
        raise _placed(refusal, start, place) from refusal.__cause__
    return root


def _placed(refusal: Refusal, start: int, place: int) -> Refusal:
    # Almost any byte is some instruction, so a file of another kind fails after a few of them.
    if refusal.remedy in (DAMAGED, CUT_OFF) and place - start < _FIRST_STEPS:
        refusal.rule = f"this is not a pickle, or one that is damaged from the start: {refusal.rule}"
    refusal.rule = f"{refusal.rule} (byte {place})"
    return refusal

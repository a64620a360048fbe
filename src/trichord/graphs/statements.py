"""A text cut into statements and words: one statement per line or between semicolons, quoted parts kept whole.

A `#` that begins a word begins a comment. What is between double quotes is one word or part of one, whatever is in it,
spelled as in JSON: `from "my runs/vt"`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from trichord.errors import ConfigError

QUOTED = r'"(?:[^"\\\n]|\\.)*"'
TOKEN = re.compile(rf'(?P<break>[\n;])|(?P<space>[^\S\n]+)|(?P<comment>#[^\n]*)|(?P<word>(?:[^\s;"]|{QUOTED})+)')
PLAIN = re.compile(r"[A-Za-z0-9_./~+\-][A-Za-z0-9_./~+\-:@]*")


@dataclass(frozen=True)
class Statement:
    """One statement.

    Args:
        line: line on which it stands, from 1.
        words: its words, quotes still around what is quoted.
    """

    line: int
    words: tuple[str, ...]

    def error(self, message: str) -> ConfigError:
        """Return an error that names the line and the statement."""
        return ConfigError(f"line {self.line}, {' '.join(self.words)!r}: {message}")


def split_statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a text in order, empty ones and comments left out.

    Raises:
        ConfigError: a quote that is not closed.
    """
    line, words, place = 1, [], 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None:
            rest = text[place:].partition("\n")[0]
            raise ConfigError(f'line {line}: a quote that is never closed: {rest}; write another " where it ends')
        place = token.end()
        if token.lastgroup == "word":
            words.append(token[0])
        elif token.lastgroup == "break":
            if words:
                yield Statement(line, tuple(words))
            words = []
            line += token[0] == "\n"
    if words:
        yield Statement(line, tuple(words))


def cut(word: str, mark: str) -> tuple[str, str, str]:
    """Cut a word at the first mark outside quotes, as `str.partition` does."""
    covered = re.sub(QUOTED, lambda quoted: "\0" * len(quoted[0]), word)
    place = covered.find(mark)
    return (word, "", "") if place < 0 else (word[:place], mark, word[place + len(mark) :])


def quote(value: str) -> str:
    """Spell any text as one word, between quotes where it must be."""
    return value if PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def unquote(word: str) -> str:
    """Return the text that a word spells.

    Raises:
        ConfigError: a backslash between quotes that means nothing.
    """
    try:
        return re.sub(QUOTED, lambda quoted: json.loads(quoted[0]), word)
    except ValueError as error:
        raise ConfigError(f"{word} is not spelled as in JSON; write \\\\ for a backslash") from error

"""OpenQASM text as tokens that know their place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from counterspin.errors import InputError

__all__ = ["DIRECTIVE", "Token", "refused", "tokens"]

# What OpenQASM has no words for travels in comments that begin so: every other reader skips them.
DIRECTIVE = "// counterspin:"

_PATTERN = re.compile(
    rf"""
    (?P<space>[ \t\r\f\ufeff]+)
  | (?P<newline>\n)
  | (?P<directive>{re.escape(DIRECTIVE)}[^\n]*)
  | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<real>(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
  | (?P<integer>\d+)
  | (?P<name>[^\W\d]\w*)
  | (?P<string>"[^"\n]*"|'[^'\n]*')
  | (?P<symbol>->|==|\*\*|[-+*/^(){{}}\[\],;:=@\#$<>!&|~%.])
    """,
    re.VERBOSE | re.DOTALL,
)

_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a program.

    Args:
        kind: `"name"`, `"integer"`, `"real"`, `"string"`, `"symbol"`, `"directive"` or `"end"`.
        text: as written; the end has none.
        line: from 1.
        column: from 1.
    """

    kind: str
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        """As an error names it."""
        return "the end of the program" if self.kind == "end" else repr(self.text)


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a program, comments left out, an `"end"` behind the last.

    Raises:
        InputError: a character that begins no token.

    Example:
        >>> [str(token) for token in tokens("h q[0]; // Hadamard")]
        ["'h'", "'q'", "'['", "'0'", "']'", "';'", 'the end of the program']
    """
    found: list[Token] = []
    position, line, start = 0, 1, 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            wrong = Token("symbol", text[position], line, position - start + 1)
            raise refused(wrong, f"{wrong} begins no OpenQASM token", "remove it")
        kind, lexeme = str(match.lastgroup), match.group()
        if kind == "integer" and len(lexeme) > _DIGITS:
            wrong = Token(kind, lexeme[:8] + "…", line, position - start + 1)
            raise refused(wrong, f"an integer of {len(lexeme)} digits found", f"at most {_DIGITS} are read")
        if kind not in ("space", "newline", "comment"):
            found.append(Token(kind, lexeme, line, position - start + 1))
        position = match.end()
        if "\n" in lexeme:
            line += lexeme.count("\n")
            start = match.start() + lexeme.rindex("\n") + 1
    return (*found, Token("end", "", line, position - start + 1))


def refused(place: Token, found: str, remedy: str) -> InputError:
    """The error for what stands at `place`: where, what was found, what is allowed or to be done."""
    return InputError(f"line {place.line}, column {place.column}: {found}; {remedy}.")

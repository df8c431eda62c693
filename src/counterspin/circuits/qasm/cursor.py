"""Reading tokens one after the other."""

from __future__ import annotations

from counterspin.circuits.qasm.tokens import Token, refused

__all__ = ["Cursor"]


class Cursor:
    """A place among the tokens of a program, and the questions a parser asks there."""

    def __init__(self, found: tuple[Token, ...]) -> None:
        self._tokens = found
        self._position = 0

    @property
    def here(self) -> Token:
        """The next token."""
        return self._tokens[self._position]

    @property
    def position(self) -> int:
        """How many tokens are read."""
        return self._position

    def text_from(self, position: int) -> str:
        """The tokens read since `position`, one space between them."""
        return " ".join(token.text for token in self._tokens[position : self._position])

    def take(self) -> Token:
        """The next token, read; the end stays."""
        token = self.here
        self._position += token.kind != "end"
        return token

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these symbols or names."""
        return self.here.kind in ("symbol", "name") and self.here.text in texts

    def takes(self, text: str) -> bool:
        """Whether the next token is this symbol or name; if so it is read."""
        if self.at(text):
            self._position += 1
            return True
        return False

    def expect(self, text: str, what: str) -> Token:
        """Read this symbol or name.

        Raises:
            InputError: something else stands there; `what` says where in the grammar we are.
        """
        if not self.at(text):
            raise refused(self.here, f"{self.here} found", f"expected {text!r} {what}")
        return self.take()

    def expect_kind(self, kind: str, what: str) -> Token:
        """Read a token of this kind.

        Raises:
            InputError: another kind stands there; `what` names the one expected.
        """
        if self.here.kind != kind:
            raise refused(self.here, f"{self.here} found", f"expected {what}")
        return self.take()

    def skip_line(self) -> None:
        """Leave out the rest of the line: pragmas and annotations end with it."""
        line = self.here.line
        while self.here.kind != "end" and self.here.line == line:
            self._position += 1

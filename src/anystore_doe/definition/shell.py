"""A careful reader of shell scripts: where every ``${…}`` stands, and whether the shell would expand it there.

It knows quotes, comments, here-documents, command, arithmetic and parameter expansion, as chapter 3.1.2, 3.5 and
3.6 of the Bash manual have them. It changes nothing and runs nothing. Where a script is beyond it (an unclosed
quote, aliases), it errs towards "quoted", which is said with the place of the quote, never towards silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.definition.render import STRING
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATTED = re.compile(r"\$\{([^{}$:\n]+?):([.0][0-9]*(?:\.[0-9]+)?[A-Za-z])\}")
"""``${x:.3f}``: a dot or 0 first, a type letter last; no shell gives such a text a meaning."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?=[\s;&|()<>]|$)", re.ASCII)
_BRACED = re.compile(r"\$\{[^{}\n]*\}")
_HERE = re.compile(r"<<(-?)[ \t]*")
_BEFORE_COMMAND = frozenset({"then", "do", "else", "elif", "if", "while", "until", "time"})


@dataclass(frozen=True, slots=True)
class Expansion:
    """One ``${body}`` (or ``$name``: ``braced`` is off) of a script.

    Attributes:
        start: Index of the ``$``.
        end: Index after it.
        body: What stands between the braces, or the name.
        braced: Whether there are braces.
        hidden: Why the shell does not expand it here, or ``""``.
        opened: Index where the quote or here-document that hides it starts.
    """

    start: int
    end: int
    body: str
    braced: bool = True
    hidden: str = ""
    opened: int = 0


@dataclass(slots=True)
class _Heredoc:
    word: str
    tabs: bool
    quoted: bool
    opened: int


class _Level:
    """One nesting level of commands: open parentheses and cases, here-documents that wait for a line end."""

    def __init__(self, closer: str) -> None:
        self.closer = closer
        self.opened: list[str] = []
        self.waiting: list[_Heredoc] = []
        self.word_start = True
        self.command = True

    def between(self, *, command: bool) -> None:
        """A word has ended; the next one is a command if ``command``."""
        self.word_start = True
        self.command = command or self.command


def expansions(script: str, *, where: str) -> list[Expansion]:
    """Return every ``${…}`` and ``$name`` of a shell script that is not in a comment, in order.

    Raises:
        DefinitionError: it is nested too deeply to be read.
    """
    reader = _Reader(script)
    try:
        reader.code(0, "")
    except RecursionError as error:
        raise DefinitionError("this script is nested too deeply to be checked", where=where) from error
    return sorted(reader.found, key=lambda found: found.start)


class _Reader:
    """Walks a script once; every method takes an index and returns the index after what it read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = len(text)
        self.found: list[Expansion] = []
        self.groups: set[int] = set()

    def code(self, i: int, closer: str) -> int:
        """Read commands until ``closer`` (``)``, a backtick, or ``""``: the end)."""
        level = _Level(closer)
        while i < self.end:
            char = self.text[i]
            if char == closer == "`" or (char == ")" and self._closes(level)):
                return i + 1
            if char == "\n":
                i = self.bodies(i + 1, level.waiting)
                level.between(command=True)
            elif char in " \t\r":
                i += 1
                level.word_start = True
            elif char in ";&|()":
                i = self._arithmetic_command(i)
                level.opened += ["("] if char == "(" and self.text[i - 1] == "(" else []
                level.between(command=True)
            elif char == "#" and level.word_start:
                i = self._line_end(i)
            elif self.text.startswith("<<", i):
                i = self._here(i, level)
            else:
                i = self._word(i, level)
        return i

    def _closes(self, level: _Level) -> bool:
        """Tell whether this ``)`` ends the level; if not, it ends a group or a pattern of ``case``."""
        if level.opened:
            if level.opened[-1] == "(":
                level.opened.pop()
            return False
        return level.closer == ")"

    def _arithmetic_command(self, i: int) -> int:
        if self.text.startswith("((", i):
            after = self.arithmetic(i + 2)
            if after is not None:
                return after
        return i + 1

    def _word(self, i: int, level: _Level) -> int:
        """Read one piece of a word; keep track of ``case`` … ``esac``, whose patterns end in a lone ``)``."""
        word = _WORD.match(self.text, i, self.end) if level.word_start else None
        level.word_start = False
        if word is None:
            level.command = level.command and self.text[i] in "{}!"
            return self.special(i, quoted=False)
        if word[0] == "esac" and level.opened and level.opened[-1] == "case":
            level.opened.pop()
        elif word[0] == "case" and level.command:
            level.opened.append("case")
        level.command = level.command and word[0] in _BEFORE_COMMAND
        return word.end()

    def special(self, i: int, *, quoted: bool) -> int:
        """Read one character, or the quote or expansion that starts with it; ``quoted``: inside double quotes."""
        char, after = self.text[i], self.text[i + 1 : i + 2]
        if char == "\\":
            return i + 2
        if char == "`":
            return self.code(i + 1, "`")
        if char == "'" and not quoted:
            return self._hidden_until(i, self.text.find("'", i + 1, self.end), "in single quotes")
        if char == '"' and not quoted:
            return self.double(i + 1)
        if char == "$":
            return self._dollar(i, after, quoted=quoted)
        return i + 1

    def _dollar(self, i: int, after: str, *, quoted: bool) -> int:
        if after == "{":
            return self.parameter(i, quoted=quoted)
        if after == "(":
            inside = self.arithmetic(i + 3) if self.text.startswith("((", i + 1) else None
            return self.code(i + 2, ")") if inside is None else inside
        if after == "'" and not quoted:
            close = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(self.text, i + 2, self.end)
            return self._hidden_until(i, close.end() if close else -1, "in $'…' quotes")
        if name := _NAME.match(self.text, i + 1, self.end):
            self.found.append(Expansion(i, name.end(), name[0], braced=False))
            return name.end()
        # $# $$ $1 and their like: the second character starts nothing; a quote after a $ does.
        return i + 2 if after and after in "#$?!@*-0123456789" else i + 1

    def double(self, i: int) -> int:
        """Read from after a double quote to after its end."""
        while i < self.end and self.text[i] != '"':
            i = self.special(i, quoted=True)
        return i + 1

    def parameter(self, i: int, *, quoted: bool) -> int:
        """Read a ``${…}``, formatted placeholders whole, anything else with what is nested in it."""
        whole = STRING.match(self.text, i, self.end) or FORMATTED.match(self.text, i, self.end)
        if whole:
            self.found.append(Expansion(i, whole.end(), whole[0][2:-1]))
            return whole.end()
        at = i + 2
        while at < self.end and self.text[at] != "}":
            at = self.double(at + 1) if self.text[at] == '"' else self.special(at, quoted=quoted)
        at = min(at, self.end - 1)
        self.found.append(Expansion(i, at + 1, self.text[i + 2 : at]))
        return at + 1

    def arithmetic(self, i: int) -> int | None:
        """Read from after ``((`` to after its ``))``; ``None`` when it turns out to be a subshell in a group."""
        if i in self.groups:
            return None
        start, kept, depth = i, len(self.found), 0
        while i < self.end:
            char = self.text[i]
            if char == ")" and depth == 0:
                if self.text.startswith("))", i):
                    return i + 2
                break
            depth += (char == "(") - (char == ")")
            i = i + 1 if char in "()" else self.special(i, quoted=True)
        # Remembered, for what is nested in it would be read twice at every level.
        self.groups.add(start)
        del self.found[kept:]
        return None

    def _here(self, i: int, level: _Level) -> int:
        """Read ``<<WORD``; its body comes after the line end. ``<<<`` is an ordinary word."""
        if self.text.startswith("<<<", i):
            level.between(command=False)
            return i + 3
        start = _HERE.match(self.text, i)
        at = start.end() if start else i + 2
        word, quoted = "", False
        while at < self.end and self.text[at] not in " \t\n;&|()<>":
            char = self.text[at]
            close = self.text.find(char, at + 1, self.end) if char in "'\"" else -1
            if close > at:
                word, quoted, at = word + self.text[at + 1 : close], True, close + 1
            elif char == "\\":
                word, quoted, at = word + self.text[at + 1 : at + 2], True, at + 2
            else:
                word, at = word + char, at + 1
        level.waiting.append(_Heredoc(word, bool(start and start[1]), quoted, i))
        return at

    def bodies(self, i: int, waiting: list[_Heredoc]) -> int:
        """Read the bodies of the here-documents that were announced on the line before."""
        for here in waiting:
            start, after = i, i
            while after < self.end:
                i, after = after, self._line_end(after) + 1
                line = self.text[i : after - 1]
                if (line.lstrip("\t") if here.tabs else line) == here.word:
                    break
            else:
                i = self.end
            if here.quoted:
                self._hide(start, i, "in a quoted here-document", here.opened)
            else:
                self._expanded_body(start, i)
            i = min(after, self.end)
        waiting.clear()
        return i

    def _expanded_body(self, i: int, end: int) -> None:
        outer, self.end = self.end, end
        while i < end:
            i = self.special(i, quoted=True)
        self.end = outer

    def _line_end(self, i: int) -> int:
        close = self.text.find("\n", i, self.end)
        return self.end if close < 0 else close

    def _hidden_until(self, start: int, close: int, why: str) -> int:
        close = self.end if close < 0 else min(close, self.end)
        self._hide(start, close, why, start)
        return close + 1

    def _hide(self, start: int, end: int, why: str, opened: int) -> None:
        for found in _in_order(self.text, start, end):
            self.found.append(Expansion(found.start(), found.end(), found[0][2:-1], hidden=why, opened=opened))


def _in_order(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    while start < end:
        found = _BRACED.search(text, start, end)
        whole = STRING.search(text, start, end)
        if whole and (found is None or whole.start() <= found.start()):
            found = whole
        if found is None:
            return
        yield found
        start = found.end()

"""What the reader of a statement remembers, and what it can do to it.

Not a parser: a machine that remembers what the next name would mean. Keywords change its mind (`reader`), a name
takes the meaning, parentheses put the machine aside and begin anew. That is enough for operations and targets, costs
one dictionary look-up a token, and cannot fail on a statement that no grammar knows.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from otelbridge.semconv.sql.lexer import HIDDEN

MAX_SUMMARY_CHARS = 255
"""OpenTelemetry, "Generating a summary of the query": truncate to 255, never within an operation or a target."""

LOOK_AHEAD = 4
"""How far actions look ahead; so many empty words follow the last one."""

Action: TypeAlias = Callable[["Machine", int], None]

# A list item of more tokens than this is not compared with its neighbours: keeps the reader linear.
_MAX_ITEM_TOKENS = 16
_NAME_PART = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[((?:[^\]]|\]\])*)\]|([^."`\[]+)')
_NAME_STARTS = frozenset('_"`[#')


class Machine:
    """The state of reading one text.

    Attributes:
        tokens: one token each; a token that was removed is empty, and so is its gap.
        gaps: the blanks behind each token.
        words: the same in lower case, followed by empty words to look ahead to.
        operation: the statement's own verb in upper case: the first that is neither within parentheses (a CTE) nor a
            preamble (`SET NOCOUNT ON`), if there is one. Only known verbs, so the number of values is bounded.
        targets: tables, procedures, ... unquoted; the keys are in order of appearance, and there may be thousands.
        parts: operations and targets as written, in order of appearance.
        verb: the verb whose clauses are being read between this pair of parentheses; empty before the first.
        expecting: what the next name means.
        after_comma: what `expecting` becomes at a comma.
        levels: the three above, put aside, for every open parenthesis.
        ctes: names in lower case that the statement gave to its own sub-selects.
    """

    __slots__ = (
        "_operation_rank",
        "_rows_end",
        "after_comma",
        "ctes",
        "expecting",
        "gaps",
        "levels",
        "operation",
        "parts",
        "targets",
        "tokens",
        "verb",
        "words",
    )

    def __init__(self, tokens: list[str], gaps: list[str]) -> None:
        self.tokens = tokens
        self.gaps = gaps
        self.words = [*map(str.lower, tokens), *[""] * LOOK_AHEAD]
        self.operation: str | None = None
        self.targets: dict[str, None] = {}
        self.parts: list[str] = []
        self.verb = ""
        self.expecting: Action | None = None
        self.after_comma: Action | None = None
        self.levels: list[tuple[str, Action | None, Action | None]] = []
        self.ctes: set[str] = set()
        self._operation_rank = 3  # worse than the rank of any operation
        self._rows_end = 0

    def add_operation(self, index: int, *, preamble: bool = False) -> None:
        """Note the verb at `index`."""
        if not self.tokens[index]:
            return  # removed with its row
        rank = 2 if preamble else int(bool(self.levels))
        if rank < self._operation_rank:
            self.operation, self._operation_rank = self.words[index].upper(), rank
        self.parts.append(self.tokens[index])

    def widen_operation(self, index: int) -> None:
        """Make CREATE a CREATE TABLE with the word at `index`."""
        if self.operation == self.verb.upper():
            self.operation = f"{self.operation} {self.words[index].upper()}"
        self.parts[-1] = f"{self.parts[-1]} {self.tokens[index]}"

    def add_target(self, index: int) -> None:
        """Note the name at `index`, unless it is no name or one that the statement itself has made."""
        token = self.tokens[index]
        if not (token[:1].isalpha() or token[:1] in _NAME_STARTS):
            return
        target = unquoted(token)
        if target.lower() in self.ctes:
            return
        self.parts.append(token)
        self.targets[target] = None

    def hide(self, index: int) -> None:
        """Replace the token at `index` as if it were a literal."""
        if self.tokens[index]:
            self.tokens[index] = HIDDEN

    def remove_repeats(self, start: int) -> None:
        """Reduce a list of equal items, whose first begins at `start`, to its last item.

        The last item is the one to keep because the blanks behind it belong to the end of the list.
        """
        words = self.words
        if words[start] not in (HIDDEN, "("):
            return
        stop = _end_of_item(words, start)
        item = words[start:stop]
        if HIDDEN not in item:
            return
        last = start
        while words[stop] == "," and words[stop + 1 : stop + 1 + len(item)] == item:
            last = stop + 1
            stop = last + len(item)
        if words[stop] in (")", "]"):
            self._remove(start, last)
        elif len(self.tokens) - stop <= len(item):  # the text was cut off within the list
            self._remove(start + len(item), len(self.tokens))

    def remove_rows(self, start: int) -> None:
        """Reduce the rows of VALUES, whose first parenthesis is at `start`, to the last row.

        Rows differ in their use of DEFAULT or of functions, and say nothing more than the first one. If the text ends
        within a row, the first row is kept because the last one depends on where the text was cut.
        """
        if start < self._rows_end:
            return  # rows within rows were looked through with the outer ones, and once is enough
        depth, row, first_end = 0, start, 0
        for index in range(start, len(self.tokens)):
            word = self.words[index]
            depth += (word == "(") - (word == ")")
            if depth == 0 and word == ")":
                self._rows_end, first_end = index, first_end or index
                if self.words[index + 1] != "," or self.words[index + 2] != "(":
                    self._remove(start, row)
                    return
                row = index + 2
        self._rows_end = len(self.tokens)
        if first_end:
            self._remove(first_end + 1, len(self.tokens))

    def _remove(self, start: int, stop: int) -> None:
        self.tokens[start:stop] = self.gaps[start:stop] = [""] * (stop - start)

    def summary(self) -> str:
        """Operations and targets as written (`select "Vote_v2"`), as many as fit into MAX_SUMMARY_CHARS."""
        length = -1
        for count, part in enumerate(self.parts):
            length += 1 + len(part)
            if length > MAX_SUMMARY_CHARS:
                return " ".join(self.parts[:count])
        return " ".join(self.parts)


def unquoted(name: str) -> str:
    """The name without the quotes of any dialect: `"public"."User"` and `[public].[User]` are public.User."""
    inside = name[1:-1] if name[0] in '"`[' else name
    if inside.isidentifier():  # the common case needs no regular expression
        return inside
    parts = (
        double.replace('""', '"') or backtick.replace("``", "`") or bracket.replace("]]", "]") or bare
        for double, backtick, bracket, bare in _NAME_PART.findall(name)
    )
    return ".".join(parts)


def _end_of_item(words: list[str], start: int) -> int:
    """The index of the comma or the parenthesis that ends the list item at `start`; `start` if that is too far."""
    depth = 0
    for index in range(start, min(start + _MAX_ITEM_TOKENS, len(words) - LOOK_AHEAD)):
        word = words[index]
        if depth == 0 and word in (",", ")", "]"):
            return index
        depth += (word in ("(", "[")) - (word in (")", "]"))
    return start

"""Error messages of databases, without the values that they quote.

Drivers and ORMs put the statement and its parameters into the message of an exception, and from there they get into
stack traces and the status of spans. What they quote is treated like any statement: its text stays, its values go.

    SQLAlchemy:  [SQL: select 1 where a = 'x']  [parameters: ('bob@example.com',)]
    PostgreSQL:  LINE 1: select price from prices where id = 3      Key (email)=(bob@example.com) already exists.
    MySQL:       Duplicate entry 'bob@example.com' for key 'users.email'
"""

from __future__ import annotations

import re

from otelbridge.semconv.statements import analyse

_HINTS = ("[SQL: ", "[parameters: ", "LINE ", "Key (", "Duplicate entry ")
_STATEMENT = re.compile(
    r"(?P<before>\[SQL: )(?P<sql>.*?)(?P<after>\](?=\n|$))|(?P<line>LINE \d+: )(?P<rest>[^\n]*)", re.DOTALL
)
_PARAMETERS = re.compile(r"\[parameters: [^\n]*\](?=\n|$)")
_KEY = re.compile(r"(Key \([^)\n]*\)=)\([^\n]*\)(?= )")
_ENTRY = re.compile(r"(Duplicate entry )'[^\n]*?'(?= for key )")


def without_values(text: str) -> str:
    """The message, or a whole stack trace, without values of statements."""
    if not any(hint in text for hint in _HINTS):
        return text
    text = _STATEMENT.sub(_analysed, text)
    text = _PARAMETERS.sub("[parameters: ?]", text)
    return _ENTRY.sub(r"\1'?'", _KEY.sub(r"\1(?)", text))


def _analysed(found: re.Match[str]) -> str:
    sql = found["sql"] if found["sql"] is not None else found["rest"]
    statement = analyse(sql, None)
    before, after = (found["before"], found["after"]) if found["sql"] is not None else (found["line"], "")
    return f"{before}{statement.text if statement else '?'}{after}"

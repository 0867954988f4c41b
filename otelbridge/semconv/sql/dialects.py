r"""How each SQL dialect writes strings, names, comments and placeholders: one compiled lexer a dialect.

A lexer tiles a text: every character belongs to exactly one token, so nothing can slip out between two tokens.
Whatever opens a string or a comment and never closes it reaches to the end of the text. Where dialects disagree and
the dialect is unknown, the reading that hides more wins. All repetitions are possessive or bounded, so every lexer
is linear in the length of the text whatever the text is.

Sources: PostgreSQL manual 4.1 (lexical structure), MySQL manual 11 (language structure), SQLite "SQL As Understood
By SQLite" and its "Double-quoted String Literals Are Accepted" quirk, Oracle SQL reference (text literals), T-SQL
reference (constants, database identifiers).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Standard strings double the quote; backslash strings (MySQL, PostgreSQL's E'') may escape it as well.
_STANDARD = r"'[^']*+(?:''[^']*+)*+'?"
_STANDARD_DOUBLE = r'"[^"]*+(?:""[^"]*+)*+"?'
_BACKSLASH = r"'[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+(?:'|\\)?"
_BACKSLASH_DOUBLE = r'"[^"\\]*+(?:(?:""|\\.)[^"\\]*+)*+(?:"|\\)?'
# Unknown dialect: after \' the string has ended or has not. Both cannot be hidden, so the rest of the text is.
_EITHER = r"'[^'\\]*+(?:(?:''|\\[^'])[^'\\]*+)*+(?:'|\\.*+)?"
_EITHER_DOUBLE = r'"[^"\\]*+(?:(?:""|\\[^"])[^"\\]*+)*+(?:"|\\.*+)?'

# N'..', E'..', U&'..', nq'[..]': one of these directly before a quote is not a name. That no dialect knows all of them
# does no harm: then the letter is a token, and the string the next one.
_STRING_PREFIX = r"[eEnNbBxXqQuU](?:'|&'|[qQ]')"

# What a bare name consists of: all letters and digits, and what is beyond ASCII (as in PostgreSQL, MySQL and SQLite)
# but blanks and currency signs, which SQL Server reads as blanks and as the beginning of a number. Written as what it
# is not, because the engine tests that with one look into a table: 3 us less for a statement than `\w`.
_NO_NAME = (
    r"\x00-\x22%-/:-?\[-^`{-\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    r"\xa2-\xa5\u058f\u060b\u09f2\u09f3\u0e3f\u17db\u20a0-\u20cf\ufdfc\ufe69\uff04\uffe0\uffe1\uffe5\uffe6"
)

# Quoted names by what opens them.
_DOUBLE_QUOTED = {'"': r'"[^"]*+"(?:"[^"]*+")*+'}
_BACKTICKED = {"`": r"`[^`]*+`(?:`[^`]*+`)*+"}
_BRACKETED = {"[": r"\[[^\]]*+\](?:\][^\]]*+\])*+"}

_DOLLAR_QUOTED = r"\$(?P<tag>(?:[^\W0-9]\w*+)?)\$(?:.*?\$(?P=tag)\$|.*+)"
# Every lexer has the same groups; the dialects without dollar quotes have a tag that never matches.
_NO_DOLLAR_QUOTED = r"(?!)(?P<tag>)"

# Oracle's q'[...]'. Any character may delimit; a letter, digit or blank as delimiter hides the rest of the text.
_ORACLE_PAIRS = {"[": "]", "{": "}", "(": ")", "<": ">"} | {mark: mark for mark in "!\"#$%&'*+,-./:;=?@\\^_`|~"}
_ORACLE_QUOTED = (
    r"[nN]?[qQ]'(?:"
    + "|".join(rf"{re.escape(opening)}.*?{re.escape(closing)}'" for opening, closing in _ORACLE_PAIRS.items())
    + r"|.*+)"
)

_LINE_COMMENT = r"--[^\n]*+"
_FLAT_COMMENT = r"/\*(?:[^*]++|\*(?!/))*+(?:\*/)?"
# `re` cannot recurse. Nobody nests comments five deep in a statement of an application; then the rest is dropped.
_COMMENT_DEPTH = 4

_NUMBER = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\w*+"
# A sign belongs to its number, unless it stands directly behind a name, a bracket or a quote: `balance-100`.
_SIGNED = r"[-+](?<![a-zA-Z_)\]\"`].)" + _NUMBER
_PLACEHOLDERS = (
    r"\?[0-9]*+"  # ?  ?1 (SQLite)
    r"|%[sbt](?!\w)|%\([^()]*+\)[a-z]"  # %s %b %t  %(name)s (Python)
    r"|:(?<![\w:\]].)\w++"  # :name :1, but neither ::cast nor a[1:n]
    r"|@(?<![\w@].)\w++"  # @p, but neither @@rowcount nor user@host
)
_DOLLAR_PLACEHOLDER = r"\$\w++"  # $1 (PostgreSQL), $name (SQLite)
_MONEY = r"\$[0-9]++(?:\.[0-9]*+)?"  # SQL Server: $12.50 is a number, $action a name


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """One way to write SQL.

    Attributes:
        name: for people.
        lexer: groups (kept, hidden, tag, other, gap) for every token. Comments are hidden; `other` is one character
            of an operator; `tag` is only there to find the end of `hidden`.
        lexer_of_strings: the lexer to use when the text uses double quotes for strings; None when the dialect
            settles what double quotes mean.
    """

    name: str
    lexer: re.Pattern[str]
    lexer_of_strings: re.Pattern[str] | None = None


def _nested_comment() -> str:
    body = r"(?:[^*/]++|\*(?!/)|/(?!\*))*+"
    for _ in range(_COMMENT_DEPTH - 1):
        body = rf"(?:[^*/]++|\*(?!/)|/(?!\*)|/\*{body}\*/)*+"
    return rf"/\*(?:{body}\*/|.*+)"


def _lexer(
    *,
    strings: tuple[str, ...],
    comments: tuple[str, ...],
    names: dict[str, str],
    dollar: tuple[str, ...] = (_NO_DOLLAR_QUOTED, _DOLLAR_PLACEHOLDER),
    before_names: str = "",
    not_in_names: str = "#@",
) -> re.Pattern[str]:
    word = rf"{before_names}[^{_NO_NAME}#$@0-9][^{_NO_NAME}{not_in_names}]*+"
    part = "(?:" + "|".join((word, *names.values())) + ")"
    chain = rf"{part}(?:\.++{part})*+"
    unclosed_names = tuple(re.escape(opening) + ".*+" for opening in names)
    hidden = "|".join((*strings, *dollar, _SIGNED, _NUMBER, _PLACEHOLDERS, *unclosed_names, *comments))
    # The alternatives are tried in this order, so the common tokens come first.
    kept = rf"[(),;=]|(?!{_STRING_PREFIX}){chain}"
    return re.compile(rf"(?:({kept})|({hidden})|(.))(\s*+)", re.DOTALL)


_ANSI_NAMES = _DOUBLE_QUOTED | _BACKTICKED
_PREFIXED = r"[nNbBxX]?" + _STANDARD
_UNKNOWN_STRINGS = (
    _ORACLE_QUOTED,
    r"[eE]" + _BACKSLASH,
    r"(?:[nNbBxX]|[uU]&)?" + _EITHER,
)
_UNKNOWN_DOLLAR = (_DOLLAR_QUOTED, _DOLLAR_PLACEHOLDER)
# `#` opens a comment in MySQL, an operator (#>, #>>, #-) in PostgreSQL and a temporary table in SQL Server.
_UNKNOWN_COMMENTS = (_LINE_COMMENT, _nested_comment(), r"#(?![\w>#-])[^\n]*+")

POSTGRESQL = Dialect(
    "postgresql",
    _lexer(
        strings=(r"[eE]" + _BACKSLASH, r"(?:[nNbBxX]|[uU]&)?" + _STANDARD),
        comments=(_LINE_COMMENT, _nested_comment()),
        names=_ANSI_NAMES,
        dollar=(_DOLLAR_QUOTED, _DOLLAR_PLACEHOLDER),
    ),
)
# Double quotes are strings unless the server runs in ANSI_QUOTES mode, which no attribute tells.
MYSQL = Dialect(
    "mysql",
    _lexer(
        strings=(r"[nNbBxX]?" + _BACKSLASH, _BACKSLASH_DOUBLE),
        # `5--1` is a subtraction in MySQL: its line comment needs a blank.
        comments=(r"--(?=[\x00-\x20]|\Z)[^\n]*+", r"#[^\n]*+", _FLAT_COMMENT),
        names=_BACKTICKED,
    ),
)
SQL_SERVER = Dialect(
    "sql_server",
    _lexer(
        strings=(_PREFIXED,),
        comments=(_LINE_COMMENT, _nested_comment()),
        names=_ANSI_NAMES | _BRACKETED,
        dollar=(_NO_DOLLAR_QUOTED, _MONEY),
        before_names="#{0,2}",
        not_in_names="",
    ),
)
ORACLE = Dialect(
    "oracle",
    _lexer(
        strings=(_ORACLE_QUOTED, _PREFIXED),
        comments=(_LINE_COMMENT, _FLAT_COMMENT),
        names=_ANSI_NAMES,
        not_in_names="@",
    ),
)
SQLITE = Dialect(
    "sqlite",
    _lexer(
        strings=(_PREFIXED,),
        comments=(_LINE_COMMENT, _FLAT_COMMENT),
        names=_ANSI_NAMES | _BRACKETED,
    ),
    _lexer(
        strings=(_PREFIXED, _STANDARD_DOUBLE),
        comments=(_LINE_COMMENT, _FLAT_COMMENT),
        names=_BACKTICKED | _BRACKETED,
    ),
)
UNKNOWN = Dialect(
    "unknown",
    _lexer(strings=_UNKNOWN_STRINGS, comments=_UNKNOWN_COMMENTS, names=_ANSI_NAMES, dollar=_UNKNOWN_DOLLAR),
    _lexer(
        strings=(*_UNKNOWN_STRINGS, _EITHER_DOUBLE),
        comments=_UNKNOWN_COMMENTS,
        names=_BACKTICKED,
        dollar=_UNKNOWN_DOLLAR,
    ),
)

# By the values of `db.system.name` and of its predecessor `db.system`, with databases that speak another one's dialect.
# Whoever is missing gets UNKNOWN, which is the careful reading: BigQuery, ClickHouse, Snowflake, Trino, ...
DIALECTS: Mapping[str | None, Dialect] = {
    **dict.fromkeys(
        (
            "postgresql", "postgres", "cockroachdb", "redshift", "aws.redshift", "edb", "greenplum", "yugabytedb",
            "timescaledb", "duckdb",
        ),
        POSTGRESQL,
    ),
    **dict.fromkeys(("mysql", "mariadb", "tidb", "vitess", "memsql", "singlestore", "doris", "starrocks"), MYSQL),
    **dict.fromkeys(("mssql", "microsoft.sql_server", "mssqlcompact", "sqlserver", "sybase"), SQL_SERVER),
    **dict.fromkeys(("oracle", "oracle.db"), ORACLE),
    **dict.fromkeys(("sqlite", "libsql", "turso"), SQLITE),
}  # fmt: skip

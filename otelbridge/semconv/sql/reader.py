"""What the keywords of SQL mean to the machine that reads operations and targets.

While it reads, the machine also removes what would make equal statements look different: names that programs invent
(savepoints, cursors), values that are bare words (`SET role TO alice`), the repeats in IN lists, ARRAYs and VALUES.
"""

from otelbridge.semconv.sql.machine import Action, Machine

# ---- What a name can mean -------------------------------------------------------------------------------------------

_BEFORE_A_TARGET = frozenset([
    "abort", "all", "analyze", "column", "concurrently", "delayed", "exists", "extended", "fail",
    "freeze", "full", "high_priority", "if", "ignore", "immediate", "local", "low_priority", "not",
    "only", "or", "outfile", "overwrite", "quick", "replace", "rollback", "table", "tables", "temp",
    "temporary", "top", "unlogged", "verbose",
])  # fmt: skip
_BEFORE_A_HIDDEN_NAME = frozenset([
    "all", "prepare", "savepoint", "to", "tran", "transaction", "values", "work",
])  # fmt: skip
_KINDS_WITH_TARGET = frozenset([
    "aggregate", "collation", "database", "domain", "extension", "function", "index", "login",
    "package", "policy", "procedure", "publication", "role", "rule", "schema", "sequence", "server",
    "statistics", "subscription", "synonym", "table", "tablespace", "trigger", "type", "user", "view",
])  # fmt: skip
_KINDS_WITHOUT_TARGET = frozenset(["session", "system", "transaction"])
_TARGETS_BEHIND_ON = frozenset(["index", "trigger", "policy", "rule"])


def _target(machine: Machine, index: int) -> None:
    if machine.words[index] not in _BEFORE_A_TARGET:
        machine.expecting = None
        machine.add_target(index)


def _source(machine: Machine, index: int) -> None:
    if machine.words[index] in ("only", "lateral"):
        return
    machine.expecting = None
    if machine.words[index + 1] != "(":  # FROM generate_series(...) reads no table
        machine.add_target(index)


def _kind(machine: Machine, index: int) -> None:
    word = machine.words[index]
    if word in _KINDS_WITH_TARGET:
        machine.widen_operation(index)
        machine.expecting = _target
        machine.after_comma = _target if machine.verb == "drop" else None
        machine.verb = word if word in _TARGETS_BEHIND_ON else machine.verb
    elif word in _KINDS_WITHOUT_TARGET:
        machine.widen_operation(index)
        machine.expecting = None


def _cte(machine: Machine, index: int) -> None:
    if machine.words[index] != "recursive":
        machine.expecting = None
        machine.ctes.add(machine.words[index].strip('"`[]'))


def _hidden_name(machine: Machine, index: int) -> None:
    if machine.words[index] not in _BEFORE_A_HIDDEN_NAME:
        machine.expecting = None
        machine.hide(index)


def _setting(machine: Machine, index: int) -> None:
    if machine.words[index] == "=":
        machine.expecting = machine.after_comma = _hidden_value


def _hidden_value(machine: Machine, index: int) -> None:
    if machine.words[index - 1] == "," and machine.words[index + 1] == "=":  # SET a = 1, b = 2
        machine.expecting = _setting
    else:
        machine.hide(index)


# ---- Punctuation ----------------------------------------------------------------------------------------------------


def _open(machine: Machine, index: int) -> None:
    expecting = machine.expecting
    if expecting is _source:  # FROM (a JOIN b): a is a source, and what follows the parenthesis is an alias
        machine.levels.append((machine.verb, None, machine.after_comma))
    else:
        machine.levels.append((machine.verb, expecting, machine.after_comma))
        machine.expecting = machine.after_comma = None
    machine.verb = ""


def _close(machine: Machine, index: int) -> None:
    if machine.levels:
        machine.verb, machine.expecting, machine.after_comma = machine.levels.pop()


def _comma(machine: Machine, index: int) -> None:
    if machine.after_comma is not None:
        machine.expecting = machine.after_comma


def _semicolon(machine: Machine, index: int) -> None:
    machine.levels.clear()
    machine.ctes.clear()
    machine.verb = ""
    machine.expecting = machine.after_comma = None


# ---- Verbs ----------------------------------------------------------------------------------------------------------

_READING_VERBS = frozenset(["select", "delete", "update", "merge"])
_WRITING_VERBS = frozenset(["insert", "select", "merge", "replace", "upsert", "load"])
_PERMISSION_VERBS = frozenset(["grant", "revoke", "deny"])  # GRANT SELECT selects nothing
# FOR UPDATE, ON DELETE CASCADE, DO UPDATE SET, ON DUPLICATE KEY UPDATE, AFTER INSERT OR UPDATE, THEN UPDATE, ...
_NO_VERB_BEHIND = frozenset(["for", "on", "do", "key", "before", "after", "of", "or", ",", "then"])


def _select(machine: Machine, index: int) -> None:
    if machine.verb not in _PERMISSION_VERBS:
        machine.add_operation(index)
        machine.verb = "select"
        machine.expecting = machine.after_comma = None


def _write(machine: Machine, index: int) -> None:
    """INSERT, UPDATE, DELETE, MERGE: operations wherever they stand, unless they are part of a clause."""
    word, previous = machine.words[index], machine.words[index - 1] if index else ""
    if previous in _NO_VERB_BEHIND or machine.words[index + 1] == "(" or machine.verb in _PERMISSION_VERBS:
        return
    machine.add_operation(index)
    machine.verb = word
    machine.expecting = _target
    machine.after_comma = _target if word == "update" else None


# What the first name behind a command means; a command is one only where a statement begins.
_COMMANDS: dict[str, Action | None] = {
    **dict.fromkeys(["create", "alter", "drop", "start", "refresh"], _kind),
    **dict.fromkeys(["call", "exec", "execute", "copy", "use", "upsert", "replace"], _target),
    **dict.fromkeys(["truncate", "lock", "vacuum", "analyze", "reindex", "optimize", "rename", "describe"], _target),
    **dict.fromkeys(["savepoint", "release", "close", "deallocate", "prepare", "declare"], _hidden_name),
    **dict.fromkeys(["pragma"], _setting),
    **dict.fromkeys(["begin", "commit", "end", "rollback", "abort", "explain", "show", "fetch", "move", "do"]),
    **dict.fromkeys(["grant", "revoke", "deny", "comment", "reset", "discard", "listen", "unlisten", "notify"]),
    **dict.fromkeys(["attach", "detach", "kill", "flush", "checkpoint", "load", "cluster", "unlock", "backup"]),
}
_LISTS_OF_TARGETS = frozenset(["truncate", "lock", "vacuum", "analyze", "optimize"])
# EXPLAIN SELECT, and BEGIN ... END around statements: the statement begins behind them.
_BEFORE_A_STATEMENT = frozenset(["begin", "explain"])


def _command(machine: Machine, index: int) -> None:
    word = machine.words[index]
    if machine.verb or machine.levels or (word == "replace" and machine.words[index + 1] == "("):
        if machine.expecting is not None:  # FROM comment, INSERT OR REPLACE
            machine.expecting(machine, index)
        return
    machine.add_operation(index, preamble=word == "declare")
    machine.verb = "" if word in _BEFORE_A_STATEMENT else word
    machine.expecting = _COMMANDS[word]
    machine.after_comma = _target if word in _LISTS_OF_TARGETS else None


# ---- Clauses --------------------------------------------------------------------------------------------------------


def _from(machine: Machine, index: int) -> None:
    if machine.verb in ("fetch", "move"):
        machine.expecting = _hidden_name
    elif machine.verb in _READING_VERBS and machine.words[index - 1] != "distinct":  # IS DISTINCT FROM
        machine.expecting = machine.after_comma = _source


def _join(machine: Machine, index: int) -> None:
    machine.expecting = _source


def _into(machine: Machine, index: int) -> None:
    if machine.verb in _WRITING_VERBS:
        machine.expecting = _target


def _using(machine: Machine, index: int) -> None:
    machine.expecting = None
    if machine.verb in ("delete", "merge") and machine.words[index + 1] != "(":
        machine.expecting = machine.after_comma = _source


def _on(machine: Machine, index: int) -> None:
    machine.expecting = _target if machine.verb in _TARGETS_BEHIND_ON else None


def _to(machine: Machine, index: int) -> None:
    if machine.verb == "rollback":
        machine.expecting = _hidden_name
    elif machine.expecting is _setting:
        machine.expecting = machine.after_comma = _hidden_value
    else:
        _end_of_names(machine, index)


def _with(machine: Machine, index: int) -> None:
    if machine.verb not in _READING_VERBS and machine.words[index + 1] != "(":  # WITH (NOLOCK)
        machine.expecting = machine.after_comma = _cte
    else:
        machine.expecting = None


def _set(machine: Machine, index: int) -> None:
    if machine.verb or machine.levels:
        _end_of_names(machine, index)
    else:
        machine.add_operation(index, preamble=True)
        machine.verb, machine.expecting = "set", _setting


def _values(machine: Machine, index: int) -> None:
    if not machine.verb and not machine.levels:
        machine.add_operation(index)
        machine.verb = "values"
    _end_of_names(machine, index)
    if machine.words[index + 1] == "(":
        machine.remove_rows(index + 1)


def _list(machine: Machine, index: int) -> None:
    if machine.words[index + 1] in ("(", "["):
        machine.remove_repeats(index + 2)


def _boolean(machine: Machine, index: int) -> None:
    """Hide TRUE and FALSE but where they are syntax: IS TRUE, IS NOT TRUE, JOIN LATERAL ... ON TRUE."""
    if machine.words[index - 1] not in ("is", "not", "on"):
        machine.hide(index)


def _identified(machine: Machine, index: int) -> None:
    """Hide the passwords of Oracle's `IDENTIFIED BY new REPLACE old`, which are bare or double-quoted words."""
    if machine.words[index + 1] == "by" and machine.words[index + 2]:
        machine.hide(index + 2)
        if machine.words[index + 3] == "replace" and machine.words[index + 4]:
            machine.hide(index + 4)


def _returning(machine: Machine, index: int) -> None:
    """End the statement's clauses: the INTO of Oracle's `RETURNING id INTO v` writes to no table."""
    machine.verb = "returning"
    machine.expecting = machine.after_comma = None


def _end_of_names(machine: Machine, index: int) -> None:
    machine.expecting = machine.after_comma = None


_ENDS_OF_NAMES = (
    "where", "group", "order", "having", "limit", "offset", "window", "qualify", "output", "option",
    "for", "union", "intersect", "except", "minus", "connect",
)  # fmt: skip

_KEYWORDS: dict[str, Action] = {
    **dict.fromkeys(_COMMANDS, _command),
    **dict.fromkeys(_ENDS_OF_NAMES, _end_of_names),
    **dict.fromkeys(["insert", "update", "delete", "merge"], _write),
    **dict.fromkeys(["join", "straight_join", "apply"], _join),
    **dict.fromkeys(["in", "array"], _list),
    "(": _open,
    ")": _close,
    ",": _comma,
    ";": _semicolon,
    "select": _select,
    "from": _from,
    "into": _into,
    "using": _using,
    "on": _on,
    "to": _to,
    "with": _with,
    "set": _set,
    "values": _values,
    "returning": _returning,
    "true": _boolean,
    "false": _boolean,
    "identified": _identified,
}


def read(tokens: list[str], gaps: list[str]) -> Machine:
    """Read a text's tokens, and hide or remove in place those that would make equal statements look different."""
    machine = Machine(tokens, gaps)
    actions = [*map(_KEYWORDS.get, machine.words[: len(tokens)])]
    for index, action in enumerate(actions):
        if action is not None:
            action(machine, index)
        elif machine.expecting is not None:
            machine.expecting(machine, index)
    return machine

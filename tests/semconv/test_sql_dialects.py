import pytest

from otelbridge.semconv.sql import analyse

POSTGRESQL = "postgresql"
MYSQL = "mysql"
SQLITE = "sqlite"
SQL_SERVER = "microsoft.sql_server"
ORACLE = "oracle.db"


@pytest.mark.parametrize(
    ("system", "query", "text"),
    [
        (POSTGRESQL, r"SELECT E'it\'s', 'C:\', U&'d\0061t', N'x', B'01', X'1F'", "SELECT ?, ?, ?, ?, ?, ?"),
        (POSTGRESQL, "SELECT $fn$ it's $1 $x$ $fn$, $$a$$, $1", "SELECT ?, ?, ?"),
        (POSTGRESQL, "SELECT a->>'k', a #> '{b}', a @> '{}', a ?| b, a ? 'k'",
         "SELECT a->>?, a #> ?, a @> ?, a ?| b, a ? ?"),
        (POSTGRESQL, "SELECT a::int, '5'::int, b[1:2], date'2020-01-01'", "SELECT a::int, ?::int, b[?:?], date?"),
        (POSTGRESQL, "SELECT 1 /* a /* b */ c */ FROM t", "SELECT ?  FROM t"),
        (POSTGRESQL, "SELECT a FROM t WHERE b = ANY(ARRAY[1, 2, 3])", "SELECT a FROM t WHERE b = ANY(ARRAY[?])"),
        (MYSQL, r"""SELECT "a \" b", 'it\'s', _utf8'x', 5--1 # no""", "SELECT ?, ?, _utf8?, ?-?"),
        (MYSQL, "SELECT @@session.tx, @a /*! STRAIGHT_JOIN */ FROM `t` -- x", "SELECT @@session.tx, ?  FROM `t`"),
        (MYSQL, "SELECT 1 /* a /* b */ FROM t", "SELECT ?  FROM t"),
        (SQL_SERVER, "SELECT [a]]b], N'x', $12.50 FROM #t WHERE @@ROWCOUNT = @p",
         "SELECT [a]]b], ?, ? FROM #t WHERE @@ROWCOUNT = ?"),
        (ORACLE, "SELECT q'[it's]', nq'!a'b!', :name, serial# FROM v$session",
         "SELECT ?, ?, ?, serial# FROM v$session"),
        (SQLITE, "INSERT OR REPLACE INTO t VALUES (?1, :a, @b, $c, x'00')",
         "INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?, ?)"),
        (None, "SELECT balance-100, a - 1, -1, 1_000, 1e5, .5e-3, 0x1F", "SELECT balance-?, a - ?, ?, ?, ?, ?, ?"),
        (None, "SELECT true, FALSE WHERE a IS NOT TRUE AND b = false", "SELECT ?, ? WHERE a IS NOT TRUE AND b = ?"),
        (None, "SELECT CASE WHEN a THEN.5 ELSE-1 END", "SELECT CASE WHEN a THEN? ELSE-? END"),
        (None, "SELECT*FROM t/**/WHERE/**/a=1", "SELECT*FROM t WHERE a=?"),
    ],
)  # fmt: skip
def test_each_dialect_is_read_its_own_way(system: str | None, query: str, text: str) -> None:
    assert analyse(query, system).text == text


@pytest.mark.parametrize(
    ("system", "opened"),
    [
        (None, "'"), (None, '"'), (None, "`"), (None, "$t$"), (None, "q'["), (POSTGRESQL, "E'"), (POSTGRESQL, "$$"),
        (POSTGRESQL, '"'), (MYSQL, '"'), (MYSQL, "`"), (SQL_SERVER, "["), (ORACLE, "q'!"), (SQLITE, "["), (SQLITE, '"'),
    ],
)  # fmt: skip
def test_what_is_opened_and_never_closed_reaches_to_the_end(system: str | None, opened: str) -> None:
    assert analyse(f"SELECT a, {opened} it is secret FROM t", system).text == "SELECT a, ?"


@pytest.mark.parametrize("opened", ["/*", "/* /* */", "--", "/* /* /* /* /* */ */ */ */ */ deeper than anybody nests"])
def test_an_open_comment_reaches_to_the_end(opened: str) -> None:
    assert analyse(f"SELECT a {opened} it is secret", POSTGRESQL).text == "SELECT a"


def test_sqlite_takes_a_double_quoted_word_for_a_string_where_a_value_is_expected() -> None:
    statement = analyse('SELECT "id" FROM "users" WHERE "users"."id" = "o"."id" AND name = "bob"', SQLITE)
    assert statement.text == 'SELECT "id" FROM "users" WHERE "users"."id" = "o"."id" AND name = ?'


def test_double_quotes_are_strings_when_no_name_is_quoted_with_them() -> None:
    assert analyse('SELECT upper("bob") FROM users').text == "SELECT upper(?) FROM users"


def test_an_unknown_dialect_gives_up_the_rest_of_the_text_where_the_end_of_a_string_is_in_doubt() -> None:
    assert analyse(r"SELECT a FROM t WHERE b = 'it\'s' AND c = d").text == "SELECT a FROM t WHERE b = ?"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('SAVEPOINT "s140_x1"', "SAVEPOINT ?"),
        ("RELEASE SAVEPOINT sa_savepoint_1", "RELEASE SAVEPOINT ?"),
        ("ROLLBACK TO SAVEPOINT sa_savepoint_1", "ROLLBACK TO SAVEPOINT ?"),
        ('DECLARE "curs_139_1" NO SCROLL CURSOR FOR SELECT a FROM b', "DECLARE ? NO SCROLL CURSOR FOR SELECT a FROM b"),
        ('FETCH FORWARD 2000 FROM "curs_139_1"', "FETCH FORWARD ? FROM ?"),
        ('CLOSE "curs_139_1"', "CLOSE ?"),
        ("DEALLOCATE pdo_stmt_00000001", "DEALLOCATE ?"),
    ],
)
def test_names_that_programs_invent_are_hidden(query: str, text: str) -> None:
    assert analyse(query, POSTGRESQL).text == text


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SET LOCAL app.user TO alice", "SET LOCAL app.user TO ?"),
        ("SET search_path = alice, public", "SET search_path = ?, ?"),
        ("SET a = alice, b = 2", "SET a = ?, b = ?"),
        ("PRAGMA key = alice", "PRAGMA key = ?"),
        ('CREATE USER bob IDENTIFIED BY "alice"', "CREATE USER bob IDENTIFIED BY ?"),
        ("ALTER USER bob IDENTIFIED BY alice REPLACE carol", "ALTER USER bob IDENTIFIED BY ? REPLACE ?"),
    ],
)
def test_values_that_are_bare_words_are_hidden(query: str, text: str) -> None:
    assert analyse(query, ORACLE).text == text

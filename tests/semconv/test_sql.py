import json
from pathlib import Path
from typing import Any

import pytest

from otelbridge.semconv.sql import MAX_REMEMBERED_CHARS, analyse, summary_of

# From OpenTelemetry semantic-conventions (Apache-2.0), the cases for `db.query.text` and `db.query.summary` of SQL
# databases, as published. `db.query.text` lists the allowed alternatives.
SEMCONV_CASES = json.loads(Path(__file__).with_name("semconv-db-sql-test-cases.json").read_text())

POSTGRESQL = "postgresql"
MYSQL = "mysql"
SQLITE = "sqlite"
SQL_SERVER = "microsoft.sql_server"
ORACLE = "oracle.db"


@pytest.mark.parametrize("case", SEMCONV_CASES, ids=lambda case: case["name"])
def test_opentelemetrys_own_cases_hold(case: dict[str, Any]) -> None:
    statement = analyse(case["input"]["query"], case["input"]["db.system.name"])
    assert statement.text in case["expected"]["db.query.text"]
    assert statement.summary == case["expected"]["db.query.summary"]


@pytest.mark.parametrize(
    ("system", "query", "text", "summary", "tables"),
    [
        pytest.param(
            POSTGRESQL,
            'select "id", "chatId" from "Vote_v2" where ("Vote_v2"."chatId" = $1 and "Vote_v2"."messageId" = $2) '
            "limit $3",
            'select "id", "chatId" from "Vote_v2" where ("Vote_v2"."chatId" = ? and "Vote_v2"."messageId" = ?) limit ?',
            'select "Vote_v2"',
            ("Vote_v2",),
            id="drizzle",
        ),
        pytest.param(
            POSTGRESQL,
            'select "Chat"."id", "Chat_messages"."data" from "Chat" "Chat" left join lateral (select coalesce('
            'json_agg(json_build_array("m"."id")), \'[]\'::json) as "data" from "Message" "m" where "m"."chatId" = '
            '"Chat"."id") "Chat_messages" on true where "Chat"."userId" = $1',
            'select "Chat"."id", "Chat_messages"."data" from "Chat" "Chat" left join lateral (select coalesce('
            'json_agg(json_build_array("m"."id")), ?::json) as "data" from "Message" "m" where "m"."chatId" = '
            '"Chat"."id") "Chat_messages" on true where "Chat"."userId" = ?',
            'select "Chat" select "Message"',
            ("Chat", "Message"),
            id="drizzle-relational",
        ),
        pytest.param(
            POSTGRESQL,
            'insert into "User" ("id", "email", "password") values (default, $1, $2), (default, $3, $4) returning "id"',
            'insert into "User" ("id", "email", "password") values (default, ?, ?) returning "id"',
            'insert "User"',
            ("User",),
            id="drizzle-bulk-insert",
        ),
        pytest.param(
            POSTGRESQL,
            'SELECT "public"."User"."id" FROM "public"."User" WHERE ("public"."User"."id" = 1 AND 1=1) LIMIT 1 '
            "OFFSET 0",
            'SELECT "public"."User"."id" FROM "public"."User" WHERE ("public"."User"."id" = ? AND ?=?) LIMIT ? '
            "OFFSET ?",
            'SELECT "public"."User"',
            ("public.User",),
            id="prisma",
        ),
        pytest.param(
            MYSQL,
            "SELECT `shop`.`Order`.`id` FROM `shop`.`Order` WHERE `shop`.`Order`.`userId` IN (?,?,?) /* traceparent="
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */",
            "SELECT `shop`.`Order`.`id` FROM `shop`.`Order` WHERE `shop`.`Order`.`userId` IN (?)",
            "SELECT `shop`.`Order`",
            ("shop.Order",),
            id="prisma-mysql",
        ),
        pytest.param(
            SQLITE,
            'SELECT "auth_user"."id", COUNT(*) AS "__count" FROM "auth_user" LEFT OUTER JOIN "blog_post" ON '
            '("auth_user"."id" = "blog_post"."author_id") WHERE "auth_user"."username" = %s LIMIT 21',
            'SELECT "auth_user"."id", COUNT(*) AS "__count" FROM "auth_user" LEFT OUTER JOIN "blog_post" ON '
            '("auth_user"."id" = "blog_post"."author_id") WHERE "auth_user"."username" = ? LIMIT ?',
            'SELECT "auth_user" "blog_post"',
            ("auth_user", "blog_post"),
            id="django",
        ),
        pytest.param(
            POSTGRESQL,
            "SELECT a.id AS a_id FROM a WHERE a.id = %(id_1)s",
            "SELECT a.id AS a_id FROM a WHERE a.id = ?",
            "SELECT a",
            ("a",),
            id="sqlalchemy",
        ),
        pytest.param(
            POSTGRESQL,
            "SELECT users.id FROM users WHERE users.id IN ($1::INTEGER, $2::INTEGER, $3::INTEGER)",
            "SELECT users.id FROM users WHERE users.id IN (?::INTEGER)",
            "SELECT users",
            ("users",),
            id="sqlalchemy-asyncpg",
        ),
        pytest.param(
            None,
            "select o1_0.id,i1_0.price from orders o1_0 left join order_items i1_0 on o1_0.id=i1_0.order_id where "
            "o1_0.customer_id=? order by o1_0.created_at desc fetch first ? rows only",
            "select o1_0.id,i1_0.price from orders o1_0 left join order_items i1_0 on o1_0.id=i1_0.order_id where "
            "o1_0.customer_id=? order by o1_0.created_at desc fetch first ? rows only",
            "select orders order_items",
            ("orders", "order_items"),
            id="hibernate",
        ),
        pytest.param(
            POSTGRESQL,
            'SELECT "users".* FROM "users" WHERE "users"."id" = $1 LIMIT $2 /*application:Shop,controller:users*/',
            'SELECT "users".* FROM "users" WHERE "users"."id" = ? LIMIT ?',
            'SELECT "users"',
            ("users",),
            id="active-record",
        ),
        pytest.param(
            SQL_SERVER,
            "SET NOCOUNT ON;\nINSERT INTO [Blogs] ([Url])\nOUTPUT INSERTED.[Id]\nVALUES (@p0);",
            "SET NOCOUNT ON;\nINSERT INTO [Blogs] ([Url])\nOUTPUT INSERTED.[Id]\nVALUES (?);",
            "SET INSERT [Blogs]",
            ("Blogs",),
            id="ef-core",
        ),
        pytest.param(
            ORACLE,
            "SELECT e.ename FROM scott.emp e, dept d WHERE e.deptno = d.deptno(+) AND e.hired > DATE '2020-01-01' "
            "AND ROWNUM <= :1",
            "SELECT e.ename FROM scott.emp e, dept d WHERE e.deptno = d.deptno(+) AND e.hired > DATE ? AND ROWNUM <= ?",
            "SELECT scott.emp dept",
            ("scott.emp", "dept"),
            id="oracle",
        ),
    ],
)
def test_statements_of_orms_are_normalised(
    system: str | None, query: str, text: str, summary: str, tables: tuple[str, ...]
) -> None:
    statement = analyse(query, system)
    assert (statement.text, statement.summary, statement.tables) == (text, summary, tables)


@pytest.mark.parametrize("value", ["$1", ":1", ":name", "%s", "%(name)s", "@p0", "?1", "42", "-1.5e3", "'x'", "TRUE"])
def test_all_placeholders_and_literals_are_the_same(value: str) -> None:
    assert analyse(f"SELECT a FROM t WHERE b = {value}") == analyse("SELECT a FROM t WHERE b = ?")


@pytest.mark.parametrize(
    ("operation", "target", "summary"),
    [
        ("EXECUTE", "some_procedure", "EXECUTE some_procedure"),
        ("HMSET", None, "HMSET"),
        (None, "users", "users"),
        ("find ", " Users ", "find Users"),
        ("find", "u" * 255, "find"),
        ("f" * 256, "users", None),
        ("", " ", None),
        (None, None, None),
    ],
)
def test_a_call_without_text_has_a_summary_too(operation: str | None, target: str | None, summary: str | None) -> None:
    assert summary_of(operation, target) == summary


def test_lists_of_any_length_are_one_text() -> None:
    texts = {
        analyse(f"SELECT a FROM t WHERE b IN ( {', '.join(f'${n}' for n in range(1, count))} ) AND c = ${count}").text
        for count in (2, 3, 30)
    }
    assert texts == {"SELECT a FROM t WHERE b IN ( ? ) AND c = ?"}


def test_lists_of_tuples_are_one_text() -> None:
    one = analyse("DELETE FROM t WHERE (a, b) IN ((1, 2))").text
    assert analyse("DELETE FROM t WHERE (a, b) IN ((1, 2), (3, 4), (5, 6))").text == one


def test_any_number_of_rows_is_one_text() -> None:
    one = analyse("INSERT INTO t (a, b) VALUES ($1, now()) RETURNING id")
    assert analyse("INSERT INTO t (a, b) VALUES ($1, now()), ($2, now()), ($3, now()) RETURNING id") == one


def test_sub_selects_of_further_rows_are_not_told_again() -> None:
    one = analyse("INSERT INTO t (a) VALUES ((SELECT b FROM u WHERE c = 1))")
    assert analyse("INSERT INTO t (a) VALUES ((SELECT b FROM u WHERE c = 1)), ((SELECT b FROM u WHERE c = 2))") == one
    assert one.summary == "INSERT t SELECT u"


def test_a_bulk_insert_that_was_cut_off_keeps_one_row() -> None:
    assert analyse("INSERT INTO t (a, b) VALUES (1, 2), (3, 4), (5,").text == "INSERT INTO t (a, b) VALUES (?, ?)"


def test_a_list_that_was_cut_off_keeps_one_item() -> None:
    assert analyse("SELECT a FROM t WHERE b IN (1, 2, 3,").text == "SELECT a FROM t WHERE b IN (?"


def test_a_fingerprint_ignores_blanks_and_the_number_of_hidden_values_and_a_last_semicolon() -> None:
    one = analyse("INSERT INTO t (a) VALUES (1)").fingerprint
    assert analyse("INSERT  INTO t ( a )\nVALUES (1 , 2) ;\n-- bulk").fingerprint == one


def test_different_statements_have_different_fingerprints() -> None:
    queries = ["SELECT a FROM t", "SELECT b FROM t", "SELECT a FROM u", "SELECT a FROM t WHERE a = 1", "DELETE FROM t"]
    assert len({analyse(query).fingerprint for query in queries}) == len(queries)


def test_a_fingerprint_never_changes() -> None:
    assert analyse("SELECT a FROM t WHERE b = 1").fingerprint == 2548025536166788985


def test_a_known_statement_is_the_same_object() -> None:
    query = "SELECT known FROM t"
    assert analyse(query) is analyse(query)


def test_dialects_do_not_share_what_they_know() -> None:
    query = 'SELECT a FROM t WHERE b = "c"'
    assert [analyse(query, system).text[-3:] for system in (POSTGRESQL, MYSQL, POSTGRESQL)] == ['"c"', "= ?", '"c"']


def test_a_long_statement_is_not_remembered() -> None:
    query = "SELECT a FROM t WHERE b = 1".ljust(MAX_REMEMBERED_CHARS + 1)
    assert analyse(query) is not analyse(query)
    assert analyse(query) == analyse(query)


def test_the_memory_is_bounded() -> None:
    first = analyse("SELECT first FROM t")
    for number in range(2_000):
        analyse(f"SELECT c{number} FROM t")
    assert analyse("SELECT first FROM t") is not first

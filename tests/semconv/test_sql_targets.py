import pytest

from otelbridge.semconv.sql import analyse

POSTGRESQL = "postgresql"
SQL_SERVER = "microsoft.sql_server"


@pytest.mark.parametrize(
    ("query", "operation", "summary", "tables"),
    [
        ("begin", "BEGIN", "begin", ()),
        ("COMMIT", "COMMIT", "COMMIT", ()),
        ("ROLLBACK TO x", "ROLLBACK", "ROLLBACK", ()),
        ("START TRANSACTION READ ONLY", "START TRANSACTION", "START TRANSACTION", ()),
        ("SHOW search_path", "SHOW", "SHOW", ()),
        ("SET NAMES utf8mb4", "SET", "SET", ()),
        ("SELECT a FROM ONLY t, d CROSS JOIN LATERAL f(t.x) g", "SELECT", "SELECT t d", ("t", "d")),
        ("SELECT a FROM t JOIN (u JOIN v ON true) ON true, w", "SELECT", "SELECT t u v w", ("t", "u", "v", "w")),
        ("SELECT a FROM t t1 JOIN t t2 USING (id)", "SELECT", "SELECT t t", ("t",)),
        ("SELECT extract(year FROM ts), trim(both 'x' FROM y) FROM t", "SELECT", "SELECT t", ("t",)),
        ("SELECT a FROM t WHERE a IS DISTINCT FROM b FOR UPDATE", "SELECT", "SELECT t", ("t",)),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM u) ORDER BY a, d", "SELECT", "SELECT t SELECT u", ("t", "u")),
        ("(SELECT a FROM t) UNION (SELECT b FROM u)", "SELECT", "SELECT t SELECT u", ("t", "u")),
        ("SELECT a FROM comment", "SELECT", "SELECT comment", ("comment",)),
        ("SELECT a INTO #new FROM db..t WITH (NOLOCK), u", "SELECT", "SELECT #new db..t u", ("#new", "db.t", "u")),
        ("WITH RECURSIVE c(n) AS (SELECT 1 FROM t UNION ALL SELECT n FROM c) SELECT n FROM c",
         "SELECT", "SELECT t SELECT SELECT", ("t",)),
        ("WITH c AS (SELECT a FROM t), d AS (SELECT 1) UPDATE u SET a = c.a FROM c, d, v",
         "UPDATE", "SELECT t SELECT UPDATE u v", ("t", "u", "v")),
        ("UPDATE t, u SET t.a = u.a, t.b = 1", "UPDATE", "UPDATE t u", ("t", "u")),
        ("DELETE FROM t USING u, v WHERE t.a = u.a", "DELETE", "DELETE t u v", ("t", "u", "v")),
        ("INSERT IGNORE INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", "INSERT", "INSERT t", ("t",)),
        ("INSERT INTO t (a) SELECT b FROM u ON CONFLICT DO UPDATE SET a = 1 RETURNING a",
         "INSERT", "INSERT t SELECT u", ("t", "u")),
        ("INSERT INTO t VALUES (1) RETURNING id INTO v", "INSERT", "INSERT t", ("t",)),
        ("REPLACE INTO t VALUES (1)", "REPLACE", "REPLACE t", ("t",)),
        ("UPSERT INTO t VALUES (1)", "UPSERT", "UPSERT t", ("t",)),
        ("MERGE INTO t USING s ON a = b WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
         "MERGE", "MERGE t s", ("t", "s")),
        ("CREATE TABLE IF NOT EXISTS t AS SELECT a FROM u", "CREATE TABLE", "CREATE TABLE t SELECT u", ("t", "u")),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX", "CREATE INDEX i t", ("i", "t")),
        ("CREATE OR REPLACE VIEW v AS WITH c AS (SELECT 1) SELECT a FROM c, t",
         "CREATE VIEW", "CREATE VIEW v SELECT SELECT t", ("v", "t")),
        ("CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE ON UPDATE SET NULL)",
         "CREATE TABLE", "CREATE TABLE t", ("t",)),
        ("CREATE TRIGGER g AFTER INSERT OR UPDATE ON t EXECUTE FUNCTION f()",
         "CREATE TRIGGER", "CREATE TRIGGER g t", ("g", "t")),
        ("DROP TABLE IF EXISTS t, u CASCADE", "DROP TABLE", "DROP TABLE t u", ("t", "u")),
        ("TRUNCATE TABLE t, u", "TRUNCATE", "TRUNCATE t u", ("t", "u")),
        ("{call shop.refund(?)}", "CALL", "call shop.refund", ("shop.refund",)),
        ("EXEC sp_who 1", "EXEC", "EXEC sp_who", ("sp_who",)),
        ("COPY t (a) FROM STDIN", "COPY", "COPY t", ("t",)),
        ("EXPLAIN ANALYZE SELECT a FROM t", "EXPLAIN", "EXPLAIN ANALYZE SELECT t", ("t",)),
        ("VACUUM (FULL, ANALYZE) t", "VACUUM", "VACUUM t", ("t",)),
        ("GRANT SELECT, INSERT ON t TO bob", "GRANT", "GRANT", ()),
        ("SELECT a FROM t; DELETE FROM u;", "SELECT", "SELECT t DELETE u", ("t", "u")),
        ("SET x = 1; UPDATE t SET a = 1", "UPDATE", "SET UPDATE t", ("t",)),
        ("no statement at all", None, "", ()),
        ("", None, "", ()),
    ],
)  # fmt: skip
def test_operations_and_targets_are_found(
    query: str, operation: str | None, summary: str, tables: tuple[str, ...]
) -> None:
    statement = analyse(query, SQL_SERVER if "#" in query else POSTGRESQL)
    assert (statement.operation, statement.summary, statement.tables) == (operation, summary, tables)


def test_a_summary_is_cut_between_targets_and_keeps_the_tables() -> None:
    tables = tuple(f"table_{number:03}" for number in range(100))
    statement = analyse("SELECT * FROM " + ", ".join(tables))
    assert len(statement.summary) <= 255
    assert statement.summary.split() == ["SELECT", *tables[: len(statement.summary.split()) - 1]]
    assert statement.tables == tables


def test_names_lose_their_quotes_and_keep_their_dots() -> None:
    statement = analyse('SELECT * FROM "my ""db"""."a.b", [x]]y].[z], dbo.[T]', SQL_SERVER)
    assert statement.tables == ('my "db".a.b', "x]y.z", "dbo.T")

"""CPU microseconds per SQL statement: a new one and a known one, through the front door.

Run: python -m bench.sql_lexer
Budget: 50 us for a new statement of about 300 characters, 0.2 us for a known one.
"""

import time
from collections.abc import Callable, Iterable

from otelbridge.semconv.sql import analyse

STATEMENTS = {
    "drizzle (postgresql)": (
        "postgresql",
        'select "Vote_v2"."chatId", "Vote_v2"."messageId", "Vote_v2"."isUpvoted", "Message_v2"."createdAt" from '
        '"Vote_v2" inner join "Message_v2" on "Message_v2"."id" = "Vote_v2"."messageId" where ("Vote_v2"."chatId" = $1 '
        'and "Vote_v2"."messageId" = $2 and "Message_v2"."role" = \'user\') order by "Message_v2"."createdAt" limit $3',
    ),
    "sqlalchemy (postgresql)": (
        "postgresql",
        "SELECT users.id AS users_id, users.name AS users_name, users.email AS users_email, users.created_at AS "
        "users_created_at FROM users JOIN orders ON orders.user_id = users.id WHERE users.id = %(id_1)s AND "
        "orders.status IN (%(status_1_1)s, %(status_1_2)s) AND orders.total > 12.5 ORDER BY users.created_at DESC "
        "LIMIT %(param_1)s",
    ),
    "django (sqlite)": (
        "sqlite",
        'SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser", '
        '"auth_user"."username", "auth_user"."first_name", "auth_user"."email" FROM "auth_user" INNER JOIN '
        '"blog_post" ON ("auth_user"."id" = "blog_post"."author_id") WHERE "blog_post"."slug" = %s LIMIT 21',
    ),
    "hibernate (mysql)": (
        "mysql",
        "select o1_0.id,o1_0.created_at,o1_0.customer_id,o1_0.status,o1_0.total,i1_0.order_id,i1_0.id,i1_0.price,"
        "i1_0.product_id,i1_0.quantity from orders o1_0 left join order_items i1_0 on o1_0.id=i1_0.order_id where "
        "o1_0.customer_id=? and o1_0.status in ('NEW','PAID') order by o1_0.created_at desc limit 10",
    ),
    "ef core (sql server)": (
        "microsoft.sql_server",
        "SELECT TOP(1) [u].[Id], [u].[Name], [u].[Email], [u].[CreatedAt], [b].[Id], [b].[Url] FROM [Users] AS [u] "
        "LEFT JOIN [Blogs] AS [b] ON [u].[Id] = [b].[OwnerId] WHERE [u].[Name] = @__name_0 AND [u].[Active] = CAST(1 "
        "AS bit) AND [b].[Url] LIKE N'https%' ORDER BY [u].[Id]",
    ),
    "the same, system unknown": (
        "",
        'SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser", '
        '"auth_user"."username", "auth_user"."first_name", "auth_user"."email" FROM "auth_user" INNER JOIN '
        '"blog_post" ON ("auth_user"."id" = "blog_post"."author_id") WHERE "blog_post"."slug" = %s LIMIT 21',
    ),
}
BATCHES = 200  # the best of many short ones: a neighbour on the same core makes the others look slow
NEW_PER_BATCH = 50
KNOWN_PER_BATCH = 2_000
BULK_ROWS = 400


def best_us(calls: Callable[[list[str]], object], batches: Iterable[list[str]]) -> float:
    """CPU microseconds a text in the fastest batch."""
    best = float("inf")
    for texts in batches:
        started = time.process_time_ns()
        calls(texts)
        best = min(best, (time.process_time_ns() - started) / len(texts))
    return best / 1_000


def measure(text: str, system: str | None) -> tuple[float, float, float]:
    """Microseconds for a new text, a known text, and a known text in a new string object.

    The loop is included. A column of polars gives new string objects, whose hash is not yet computed.
    """

    def analyse_all(texts: list[str]) -> None:
        for one in texts:
            analyse(one, system)

    new = ([f"{text} -- {batch} {number}" for number in range(NEW_PER_BATCH)] for batch in range(BATCHES))
    same = ([text] * KNOWN_PER_BATCH for _ in range(BATCHES))
    fresh = ([text[:1] + text[1:] for _ in range(KNOWN_PER_BATCH)] for _ in range(BATCHES))
    return best_us(analyse_all, new), best_us(analyse_all, same), best_us(analyse_all, fresh)


def main() -> None:
    """Print one line a statement."""
    print(f"{'us per statement':28} {'chars':>6} {'new':>8} {'known':>8} {'known, fresh string':>20}")
    for name, (system, text) in STATEMENTS.items():
        new, known, fresh = measure(text, system or None)
        print(f"{name:28} {len(text):6} {new:8.1f} {known:8.3f} {fresh:20.3f}")
    bulk = "INSERT INTO t (a, b, c) VALUES " + ", ".join(f"({row}, 'x', now())" for row in range(BULK_ROWS))
    bulk = f"{bulk:{11 * 1024}}"  # long enough not to be remembered
    bulk_us = best_us(lambda texts: [analyse(one, "postgresql") for one in texts], ([bulk] for _ in range(BATCHES)))
    print(f"{f'insert of {BULK_ROWS} rows':28} {len(bulk):6} {bulk_us:8.1f}")


if __name__ == "__main__":
    main()

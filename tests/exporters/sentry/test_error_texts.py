from __future__ import annotations

import pytest

from otelbridge.exporters.sentry.error_texts import without_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("boom", "boom"),
        (
            "[parameters: ('bob', 3)]\n(Background on this error at: x)",
            "[parameters: ?]\n(Background on this error at: x)",
        ),
        (
            "(x) no\n[SQL: select *\nfrom t where a = 'bob']\n[parameters: ('bob',)]",
            "(x) no\n[SQL: select *\nfrom t where a = ?]\n[parameters: ?]",
        ),
        ("LINE 1: select a from t where b = 'bob'\n        ^", "LINE 1: select a from t where b = ?\n        ^"),
        ("DETAIL:  Key (email)=(bob@example.com) already exists.", "DETAIL:  Key (email)=(?) already exists."),
        ("Duplicate entry 'bob' for key 'users.email'", "Duplicate entry '?' for key 'users.email'"),
    ],
)
def test_values_that_databases_quote_stay_here(text: str, expected: str) -> None:
    assert without_values(text) == expected

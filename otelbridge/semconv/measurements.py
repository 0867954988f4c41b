"""Every measurement there is: its unit, what tells its series apart, and what it means. To add one, add a row.

Trackers select from these by name; which component makes one is said by `ComponentSpec.measures`.
"""

from __future__ import annotations

from otelbridge.core.measurements import COLUMNS, ENVIRONMENT, INSTANCE, SERVICE, MeasurementKind

_PROVIDER = (ENVIRONMENT, "gen_ai.provider.name", "gen_ai.request.model")
_OWNERS = ("user.id", "project.id", "gen_ai.conversation.id")

DB_QUERY_DURATION = MeasurementKind(
    "db.query.duration",
    "ms",
    (ENVIRONMENT, SERVICE, "db.system.name", "db.operation.name", "db.collection.name"),
    "how long a query took that did not fail",
)
DB_N_PLUS_ONE_COUNT = MeasurementKind(
    "db.n_plus_one.count", "1", (ENVIRONMENT, SERVICE), "turns of the loops of one trace, on each trace that has one"
)
LLM_COST = MeasurementKind("llm.cost.usd", "USD", (*_PROVIDER, *_OWNERS), "what a model call cost, billed once")
LLM_TOKENS = MeasurementKind(
    "llm.tokens", "tokens", (*_PROVIDER, *_OWNERS), "tokens of a model call, input and output, billed once"
)
LLM_LATENCY = MeasurementKind("llm.provider.latency", "ms", _PROVIDER, "how long a model call took that succeeded")
LLM_SUCCESS = MeasurementKind("llm.provider.success", "1", _PROVIDER, "1 for a model call that succeeded, else 0")
LLM_SCORE = MeasurementKind("llm.provider.score", "1", _PROVIDER, "health of a model call, 0 to 100")
LLM_TTFT = MeasurementKind("llm.ttft", "ms", _PROVIDER, "time to the first token of a streaming model call")
HTTP_ROUTE_DURATION = MeasurementKind(
    "http.route.duration",
    "ms",
    (ENVIRONMENT, SERVICE, "http.request.method", "http.route"),
    "how long a request took that the service answered without failing",
)
MCP_CALL_DURATION = MeasurementKind(
    "mcp.call.duration",
    "ms",
    (ENVIRONMENT, SERVICE, "mcp.server.name", "gen_ai.tool.name"),
    "how long a tool call took that did not fail, as its caller and its server each see it",
)
ERROR_RATE = MeasurementKind(
    "error.rate",
    "1",
    (ENVIRONMENT, SERVICE, "error.type"),
    "1 for each operation that failed, by the class of its error, 0 for each that did not; one row a second and class",
)
SERVICE_CALL = MeasurementKind(
    "service.call",
    "1",
    (ENVIRONMENT, SERVICE, "peer"),
    "1 for each call of another service, a database or a model provider that failed, else 0; one row a second and pair",
)

MEASUREMENTS: dict[str, MeasurementKind] = {
    kind.name: kind
    for kind in (
        DB_QUERY_DURATION,
        DB_N_PLUS_ONE_COUNT,
        LLM_COST,
        LLM_TOKENS,
        LLM_LATENCY,
        LLM_SUCCESS,
        LLM_SCORE,
        LLM_TTFT,
        HTTP_ROUTE_DURATION,
        MCP_CALL_DURATION,
        ERROR_RATE,
        SERVICE_CALL,
    )
}


def keys_of(name: str, by: tuple[str, ...] | None) -> tuple[str, ...]:
    """The columns that tell the series of a measurement apart: those that were asked for, else all that it has.

    Of a measurement that is not in this table, one of the user's own or a metric that is received, only who sent it is
    sure to be there.
    """
    if by is not None:
        return by
    kind = MEASUREMENTS.get(name)
    return kind.keys if kind else (ENVIRONMENT, SERVICE, INSTANCE)


def check_keys(name: str | None, by: tuple[str, ...] | None) -> None:
    """Raises ValueError when series of this measurement cannot be told apart by these columns."""
    if by is None:
        return
    if len(set(by)) != len(by):
        raise ValueError("a column stands here twice")
    kind = MEASUREMENTS.get(name or "")
    for column in by:
        if kind and column not in kind.keys:
            raise ValueError(f"{column!r} is no key of {kind.name}; there are {', '.join(kind.keys)}")
        if column in COLUMNS:
            raise ValueError(f"{column!r} is no key of any measurement")

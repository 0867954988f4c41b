"""Status and description of a span, from its attributes.

Descriptions follow the templates of sentry-conventions (model/description), HTTP statuses those of Sentry's SDKs
(develop.sentry.dev, span operations), gRPC statuses are the numbers of the protocol.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from otelbridge.exporters.sentry.limits import MAX_DESCRIPTION, clip

_HTTP_STATUS = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    408: "deadline_exceeded",
    409: "already_exists",
    413: "failed_precondition",
    422: "invalid_argument",
    429: "resource_exhausted",
    499: "cancelled",
    501: "unimplemented",
    503: "unavailable",
    504: "deadline_exceeded",
}
_GRPC_STATUS = (
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal_error",
    "unavailable",
    "data_loss",
    "unauthenticated",
)  # by number

_AGENT = (("gen_ai.operation.name", "gen_ai.agent.name"),)
_MODEL = (("gen_ai.operation.name", "gen_ai.request.model"),)
_TEMPLATES = {
    "http.server": (("http.request.method", "http.route"),),
    "gen_ai.invoke_agent": _AGENT,
    "gen_ai.create_agent": _AGENT,
    "gen_ai.execute_tool": (("gen_ai.operation.name", "gen_ai.tool.name"),),
    "gen_ai.chat": _MODEL,
    "gen_ai.embeddings": _MODEL,
    "gen_ai.generate_content": _MODEL,
    "gen_ai.rerank": _MODEL,
    "gen_ai.text_completion": _MODEL,
    "mcp.server": (("mcp.method.name", "gen_ai.tool.name"), ("mcp.method.name", "gen_ai.prompt.name")),
}

NAMES_IN_STATUS = ("http.response.status_code", "http.status_code", "rpc.grpc.status_code")
"""Names of the data that the status of a failed span is made of."""
_NAMES_IN_REQUEST = ("http.request.method", "http.method", "url.full", "http.url")
NAMES_IN_DESCRIPTIONS = {
    "http.client": _NAMES_IN_REQUEST,
    **{op: tuple(dict.fromkeys(itertools.chain(*alternatives))) for op, alternatives in _TEMPLATES.items()},
}
"""Ops of spans whose description may be made of attributes -> names of those."""


def failure_status(data: Mapping[str, Any]) -> str:
    """Status of a failed span."""
    http = data.get("http.response.status_code", data.get("http.status_code"))
    if isinstance(http, int) and http >= 400:
        return _HTTP_STATUS.get(http, "invalid_argument" if http < 500 else "internal_error")
    grpc = data.get("rpc.grpc.status_code")
    if isinstance(grpc, int) and 0 < grpc < len(_GRPC_STATUS):
        return _GRPC_STATUS[grpc]
    return "internal_error"


def description(op: str, name: str, data: Mapping[str, Any], statement: str | None) -> str:
    """What stands for a span in lists: the statement, the request, operation and model, else the span's name."""
    if statement and op.startswith("db"):
        return clip(statement, MAX_DESCRIPTION)
    if op == "http.client":
        return _request(data) or clip(name, MAX_DESCRIPTION)
    for keys in _TEMPLATES.get(op, ()):
        words = [data.get(key) for key in keys]
        if all(isinstance(word, str) and word for word in words):
            return clip(" ".join(map(str, words)), MAX_DESCRIPTION)
    return clip(name, MAX_DESCRIPTION) if name else op


def _request(data: Mapping[str, Any]) -> str:
    """Method and URL without user, query and fragment, where secrets are; "" when they are unknown."""
    method = data.get("http.request.method", data.get("http.method"))
    url = data.get("url.full", data.get("http.url"))
    if not isinstance(method, str) or not isinstance(url, str):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return clip(f"{method} {parts.scheme}://{host}{parts.path}", MAX_DESCRIPTION) if host else ""

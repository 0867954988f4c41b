"""Which project a span belongs to, and where that project is.

A DSN holds a key, and a parcel names its destination in the outbox, in metrics and in logs. So destinations have names
without secrets: host and project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from sentry_sdk.consts import EndpointType
from sentry_sdk.utils import BadDsn, Dsn

from otelbridge import __version__

CLIENT = f"otelbridge/{__version__}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A project of a Sentry server.

    Attributes:
        name: host and project: `o1.ingest.sentry.io/42`.
        public_key: part of every trace header.
        url: takes envelopes.
        authorization: value of the header X-Sentry-Auth.
    """

    name: str
    public_key: str
    url: str
    authorization: str


def destination(dsn: str) -> Destination:
    """The destination of a DSN; raises ValueError, whose text does not hold the DSN."""
    try:
        parsed = Dsn(dsn)
        authorization = parsed.to_auth(CLIENT)
    except (BadDsn, ValueError):
        raise ValueError("not a DSN; expected https://KEY@HOST/PROJECT") from None
    path = parsed.path.strip("/")
    name = "/".join(part for part in (parsed.netloc, path, parsed.project_id) if part)
    url = authorization.get_api_url(EndpointType.ENVELOPE)
    return Destination(name, parsed.public_key, url, authorization.to_header())


class Router:
    """Finds the destination of a resource: the first rule that matches, else the default.

    Rules are pairs of {resource attribute: value with `*` and `?`} and destination; all attributes of one must match.
    """

    def __init__(self, default: Destination, rules: Sequence[tuple[Mapping[str, str], Destination]] = ()) -> None:
        self._default = default.name
        self._rules = [
            ([(key, re.compile(translate(value))) for key, value in match.items()], target.name)
            for match, target in rules
        ]
        self.destinations = {target.name: target for target in (default, *(target for _, target in rules))}

    def __call__(self, resource: Mapping[str, Any]) -> str:
        """Name of the destination of a resource with these attributes."""
        for match, name in self._rules:
            if all(pattern.match(str(resource.get(key, ""))) for key, pattern in match):
                return name
        return self._default

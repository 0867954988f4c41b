"""Who emitted a span, in Sentry's terms: environment, release, server, platform, and the destination of its project.

A few resources stand behind all spans of a fleet, so each is decoded once and remembered by its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otelbridge import __version__
from otelbridge.core.batch import Origin
from otelbridge.exporters.sentry.attributes import AttributeReader
from otelbridge.exporters.sentry.fragments import encode_json
from otelbridge.exporters.sentry.limits import (
    MAX_CONTEXT_BYTES,
    MAX_ENVIRONMENT_BYTES,
    MAX_NAME,
    MAX_RELEASE_BYTES,
    clip,
    clip_bytes,
    fit,
    one_line,
)
from otelbridge.exporters.sentry.scrubbing import may_be_destroyed
from otelbridge.semconv.concepts import CONCEPTS

SDK = {"name": "otelbridge", "version": __version__}
REMEMBERED_ORIGINS = 4096  # some kB each

# telemetry.sdk.language -> Sentry's platform where the two differ (relay-spans/src/otel_to_sentry_v2.rs); other
# languages are named alike, or "other" to Sentry.
_PLATFORMS = {"dotnet": "csharp", "nodejs": "node", "js": "javascript", "webjs": "javascript", "cpp": "native"}
_SAME_PLATFORMS = frozenset(
    {"csharp", "elixir", "go", "java", "javascript", "native", "node", "perl", "php", "python", "ruby"}
)

_CONTROL_CHARACTERS = (*range(0x20), *range(0x7F, 0xA0))
_FORBIDDEN = {**dict.fromkeys(_CONTROL_CHARACTERS, " "), ord("/"): "-", ord("\\"): "-"}
_NO_RELEASE = frozenset({"", ".", "..", "latest"})  # sentry-release-parser refuses them, the rest is our translation
_NO_ENVIRONMENT = frozenset({"", ".", "..", "none"})


@dataclass(frozen=True, slots=True)
class Emitter:
    """A resource and a scope.

    Attributes:
        service: `service.name`, "" when unknown.
        platform: what Sentry calls the language.
        event_fields: environment, release and server_name as far as they are known; part of every event.
        tags: for every event.
        resource: the resource's attributes, at most MAX_CONTEXT_BYTES.
        scope: `instrumentation.name` and `instrumentation.version`, for a span's data.
        identity: equal for spans of one process, different across a process boundary.
        destination: name of the project's destination.
        is_readable: False when the bytes of resource or scope are malformed.
        event_json: members that every event of it has, as JSON: platform, `event_fields`, our own name.
        context_json: the context beside `trace`, as JSON after a comma.
        copied_bytes: length of what Relay copies from `event_fields` into each span.
    """

    service: str
    platform: str
    event_fields: Mapping[str, str]
    tags: Mapping[str, str]
    resource: Mapping[str, Any]
    scope: Mapping[str, str]
    identity: tuple[str, ...]
    destination: str
    is_readable: bool
    event_json: bytes
    context_json: bytes
    copied_bytes: int

    @property
    def environment(self) -> str | None:
        """Deployment environment."""
        return self.event_fields.get("environment")

    @property
    def release(self) -> str | None:
        """Version of the service."""
        return self.event_fields.get("release")


class Emitters:
    """Decodes and remembers origins; `route` says which destination the attributes of a resource belong to."""

    def __init__(self, route: Callable[[Mapping[str, Any]], str], reader: AttributeReader) -> None:
        self._route = route
        self._reader = reader
        self.of: Callable[[Origin], Emitter] = lru_cache(REMEMBERED_ORIGINS)(self._decode)

    def _decode(self, origin: Origin) -> Emitter:
        resource, resource_is_readable = self._attributes(origin.resource)
        scope, scope_is_readable = _scope(origin.scope)
        service, host = _first(resource, "service"), _first(resource, "host")
        destination = self._route(resource)
        fields, tags = _event_fields(resource), {}
        if service:
            tags["service.name"] = one_line(service, MAX_NAME)
        if host:
            # A host name that looks like a secret survives as a tag only; Sentry makes it one in any case.
            place = tags if may_be_destroyed(host) else fields
            place["server_name"] = one_line(host, MAX_NAME)
        fit(resource, MAX_CONTEXT_BYTES)
        language = platform(_first(resource, "sdk.language"))
        return Emitter(
            service=service,
            platform=language,
            event_fields=fields,
            tags={key: value for key, value in tags.items() if value},
            resource=resource,
            scope=scope,
            identity=(service, str(resource.get("service.instance.id", "")), host, destination),
            destination=destination,
            is_readable=resource_is_readable and scope_is_readable,
            event_json=encode_json({"platform": language, **fields, "sdk": SDK})[1:-1],
            context_json=b',"otel":' + encode_json({"resource": resource}) if resource else b"",
            copied_bytes=sum(map(len, fields.values())),
        )

    def _attributes(self, encoded: bytes) -> tuple[dict[str, Any], bool]:
        try:
            return self._reader.plain(Resource.FromString(encoded).attributes), True
        except DecodeError:
            return {}, False


def platform(language: str) -> str:
    """Sentry's platform for a `telemetry.sdk.language`."""
    return _PLATFORMS.get(language, language if language in _SAME_PLATFORMS else "other")


def release_name(version: str) -> str | None:
    """A version as Sentry takes it for a release; None when there is nothing it takes."""
    name = clip_bytes(version.translate(_FORBIDDEN).strip(), MAX_RELEASE_BYTES).rstrip()
    return None if name in _NO_RELEASE else name


def environment_name(environment: str) -> str | None:
    """A deployment environment as Sentry takes it; None when there is nothing it takes."""
    name = clip_bytes(environment.translate(_FORBIDDEN).strip(), MAX_ENVIRONMENT_BYTES).rstrip()
    return None if name.lower() in _NO_ENVIRONMENT else name


def _event_fields(resource: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "environment": environment_name(_first(resource, "environment")),
        "release": release_name(_first(resource, "release")),
    }
    return {key: value for key, value in found.items() if value}


def _first(attributes: Mapping[str, Any], concept: str) -> str:
    for source in CONCEPTS[concept].sources:
        value = attributes.get(source.key)
        if value not in (None, ""):
            return value if isinstance(value, str) else str(value)
    return ""


def _scope(encoded: bytes) -> tuple[dict[str, str], bool]:
    try:
        scope = InstrumentationScope.FromString(encoded)
    except DecodeError:
        return {}, False
    found = {"instrumentation.name": scope.name, "instrumentation.version": scope.version}
    return {key: clip(value, MAX_NAME) for key, value in found.items() if value}, True

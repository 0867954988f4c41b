"""Columns from resource attributes: parsed once for each distinct resource, then repeated."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otelbridge.core.batch import Origin
from otelbridge.core.schema import Concept

MAX_RESOURCES_REMEMBERED = 4096  # about 1 kB each; a fleet of that many pods behind one daemon is already unusual


class ResourceColumns:
    """The columns of concepts that resources carry."""

    def __init__(self, concepts: list[Concept]) -> None:
        self._concepts = concepts
        self._remembered: dict[bytes, tuple[str | None, ...]] = {}

    def columns(self, scopes: list[Origin]) -> list[pl.Series]:
        """One column a concept, one row a scope."""
        rows = [self._values(scope.resource) for scope in scopes]
        return [
            pl.Series(concept.name, [row[i] for row in rows], dtype=pl.String)
            for i, concept in enumerate(self._concepts)
        ]

    def _values(self, resource: bytes) -> tuple[str | None, ...]:
        values = self._remembered.get(resource)
        if values is None:
            if len(self._remembered) >= MAX_RESOURCES_REMEMBERED:
                self._remembered.clear()
            attributes = _resource_attributes(resource)
            values = tuple(_first_present(attributes, concept) for concept in self._concepts)
            self._remembered[resource] = values
        return values


def _resource_attributes(resource: bytes) -> Mapping[str, str]:
    try:
        attributes = Resource.FromString(resource).attributes
    except DecodeError:
        return {}  # opaque until here; the exporter counts it when it writes the resource
    return {item.key: _text(item.value) for item in attributes}


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind in (None, "array_value", "kvlist_value", "bytes_value"):
        return ""
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return str(getattr(value, kind))


def _first_present(attributes: Mapping[str, str], concept: Concept) -> str | None:
    return next((attributes[source.key] for source in concept.sources if attributes.get(source.key)), None)

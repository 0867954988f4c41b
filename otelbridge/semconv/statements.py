"""Database statements of any product, without their values.

SQL has a lexer of its own (`semconv.sql`). The other products say what they do in attributes; their statement text is
JSON (MongoDB, Elasticsearch), a command line (Redis) or something this module does not know, and then it is left out:
no literal leaves the process.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import msgspec

from otelbridge.semconv import sql
from otelbridge.semconv.sql import Statement

_SQL_SYSTEM_NAMES = (
    "actian.ingres adabas aws.redshift cassandra clickhouse cloudscape cockroachdb db2 derby duckdb edb "
    "firebird firebirdsql gcp.spanner google_spanner h2 h2database hive hsqldb ibm.db2 ibm.informix "
    "ibm.netezza informix interbase mariadb microsoft.sql_server mssql mssqlcompact mysql netezza oracle "
    "oracle.db other_sql pervasive postgresql progress redshift sap.hana sap.maxdb snowflake "
    "softwareag.adabas spanner sqlite sybase teradata timescaledb trino vertica"
)
_SQL_SYSTEMS = frozenset(_SQL_SYSTEM_NAMES.split())
_DOCUMENT_SYSTEMS = frozenset(
    {
        "mongodb",
        "elasticsearch",
        "opensearch",
        "couchdb",
        "aws.documentdb",
        "dynamodb",
        "aws.dynamodb",
        "azure.cosmosdb",
    }
)
_COMMAND_SYSTEMS = frozenset({"redis", "valkey", "memcached"})
_MAX_TEXT = 32 * 1024
_MAX_DEPTH = 32  # of a document; MongoDB allows 100, nobody reads beyond a few


def analyse(text: str, system: str | None) -> Statement | None:
    """What the statement is, None for a product whose statements cannot be told from their values."""
    if system is None or system in _SQL_SYSTEMS:
        return sql.analyse(text, system)
    if system in _DOCUMENT_SYSTEMS:
        return _document(text)
    if system in _COMMAND_SYSTEMS:
        return _command(text)
    return None


@lru_cache(maxsize=4096)
def _document(text: str) -> Statement | None:
    """JSON with every value replaced by "?"; keys are the shape of the query and stay."""
    if len(text) > _MAX_TEXT:
        return None
    try:
        shape = msgspec.json.encode(_shape(msgspec.json.decode(text), _MAX_DEPTH)).decode()
    except (msgspec.DecodeError, RecursionError):
        return None
    return Statement(shape, "", None, (), _fingerprint(shape))


def _shape(value: Any, depth: int) -> Any:
    if depth == 0:
        return "?"
    if isinstance(value, dict):
        return {key: _shape(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(value[0], depth - 1)] if value else []
    return "?"


@lru_cache(maxsize=4096)
def _command(text: str) -> Statement | None:
    """The command's name, and how many arguments it was given."""
    words = text[:_MAX_TEXT].split(maxsplit=64)
    if not words or not words[0].isalpha():
        return None
    command = words[0].upper()
    shape = " ".join([command, *("?" for _ in words[1:])])
    return Statement(shape, command, command, (), _fingerprint(command))


def _fingerprint(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

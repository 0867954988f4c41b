"""The ASGI application of OTLP over HTTP: a path for each signal, in protobuf or JSON, and clear errors elsewhere.

Whatever can be refused without the body is refused before reading it.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic import Field
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from otelbridge.core.component import ComponentConfig, Signal
from otelbridge.core.errors import OtelbridgeError
from otelbridge.otlp.json import to_protobuf
from otelbridge.receivers.otlp import answers
from otelbridge.receivers.otlp.answers import NotOffered, Unauthenticated
from otelbridge.receivers.otlp.http_bodies import CONTENT_ENCODINGS, decompress, too_large
from otelbridge.receivers.otlp.intake import Intake
from otelbridge.receivers.otlp.settings import AuthSettings

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_INLINE_BYTES = 64 * 1024
"""Larger bodies are decompressed and parsed in a thread of the loop's own pool: 16 MiB of JSON take half a second,
and up to 5 s if made to, in which the loop would answer nobody. 64 KiB take 2 ms."""


class CorsSettings(ComponentConfig):
    """Which web pages may send from a browser."""

    allowed_origins: tuple[str, ...] = Field(min_length=1)
    """Origins such as `https://shop.example.com`; `*` stands for any characters, alone for every origin."""

    allowed_headers: tuple[str, ...] = ()
    """Request headers beyond Accept, Accept-Language, Content-Language and Content-Type; `*` for every header."""

    max_age_seconds: int = Field(default=600, ge=0)
    """How long browsers may remember what they are allowed."""


class OtlpApp:
    """Answers one request: as ASGI has it, in a task of the request's own."""

    def __init__(self, intake: Intake, paths: Mapping[str, Signal], auth: AuthSettings | None, max_bytes: int) -> None:
        self._intake = intake
        self._paths = paths
        taken = {signal: path for path, signal in paths.items() if signal in intake.signals}
        self._taken = f"{answers.taken_only(taken)}, at {' and '.join(taken.values())}"
        self._auth = auth
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        request = Request(scope, receive)
        media_type = _media_type(request)
        try:
            with self._intake.request():
                signal = self._signal(request)
                accepted = await self._intake.submit(signal, await self._read(request, signal, media_type))
            response = _response(answers.success(accepted, signal), media_type)
        except OtelbridgeError as error:
            response = _refuse(error, media_type)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    def _signal(self, request: Request) -> Signal:
        path = request.scope["path"]
        signal = self._paths.get(path)
        if signal is None:
            reason = f"there is nothing at {path[:100]!r}: this receiver takes {self._taken}"
            raise NotOffered(reason, HTTPStatus.NOT_FOUND)
        if signal not in self._intake.signals:
            raise answers.not_fed(signal)
        return signal

    async def _read(self, request: Request, signal: Signal, media_type: str) -> bytes:
        """The request as protobuf; raises OtelbridgeError, or ClientDisconnect."""
        self._check_head(request, media_type)
        encoding = _content_encoding(request)
        body = await self._read_body(request)
        if encoding != "identity":
            body = await _work_on(body, partial(decompress, encoding=encoding, max_bytes=self._max_bytes))
        return await _work_on(body, partial(to_protobuf, signal=signal)) if media_type == JSON else body

    def _check_head(self, request: Request, media_type: str) -> None:
        if request.method != "POST":
            raise NotOffered("send with POST", HTTPStatus.METHOD_NOT_ALLOWED)
        if self._auth is not None and not self._auth.allows(request.headers.get("authorization")):
            raise Unauthenticated("send the header: Authorization: Bearer <token>")
        if media_type not in (PROTOBUF, JSON):
            raise NotOffered(f"Content-Type must be {PROTOBUF} or {JSON}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

    async def _read_body(self, request: Request) -> bytes:
        if int(request.headers.get("content-length", 0)) > self._max_bytes:  # the HTTP parser saw to its digits
            raise too_large(self._max_bytes)
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_bytes:
                raise too_large(self._max_bytes)
            chunks.append(chunk)
        return b"".join(chunks)


def with_cors(app: ASGIApp, settings: CorsSettings) -> ASGIApp:
    """The application for web pages of other origins too."""
    patterns = [".*".join(map(re.escape, origin.split("*"))) for origin in settings.allowed_origins]
    return CORSMiddleware(
        app,
        allow_origin_regex="|".join(f"(?:{pattern})" for pattern in patterns),
        allow_methods=("POST",),
        allow_headers=settings.allowed_headers,
        allow_credentials=True,  # navigator.sendBeacon always sends them; nothing here looks at cookies
        expose_headers=("Retry-After",),
        max_age=settings.max_age_seconds,
    )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _content_encoding(request: Request) -> str:
    encoding = request.headers.get("content-encoding", "").strip().lower() or "identity"
    if encoding not in (*CONTENT_ENCODINGS, "identity"):
        reason = f"Content-Encoding must be one of {', '.join(CONTENT_ENCODINGS)}"
        raise NotOffered(reason, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return encoding


async def _work_on(body: bytes, work: Callable[[bytes], bytes]) -> bytes:
    return work(body) if len(body) <= _INLINE_BYTES else await asyncio.to_thread(work, body)


def _response(message: Message, media_type: str, status: int = HTTPStatus.OK) -> Response:
    """A message in the encoding of the request, as the protocol demands; JSON for clients that named neither."""
    if media_type == PROTOBUF:
        return Response(message.SerializeToString(), status, media_type=PROTOBUF)
    return Response(json.dumps(MessageToDict(message)), status, media_type=JSON)


def _refuse(error: OtelbridgeError, media_type: str) -> Response:
    refusal = answers.refusal(error)
    response = _response(refusal.status, media_type, refusal.http_status)
    match refusal.http_status:
        case HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(math.ceil(refusal.retry_after_seconds or 0))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = "POST"
        case HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            response.headers["Accept-Encoding"] = ", ".join(CONTENT_ENCODINGS)
    return response

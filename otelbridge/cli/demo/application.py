"""The application that is watched: a chatbot of two services, with the mistakes that applications have.

`chatbot` answers the browser and talks to the database; it exports over OTLP/gRPC. `assistant` calls the models; it
exports over OTLP/HTTP. Both live in this process, each with an SDK of its own, and share traces as services do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openai import OpenAI
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.trace import SpanKind
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from otelbridge.cli.demo.database import SEARCH_SECONDS, Conversation, User
from otelbridge.cli.demo.telemetry import Telemetry

MODELS = ("gpt-4o-mini", "gpt-5-mini")
SYSTEM_PROMPT = "You are the assistant of a small shop. Be brief, and never promise a delivery date."


class InvalidRatingError(ValueError):
    """The rating is not a number."""


class Chatbot:
    """The request handlers. Each call is one request, and one trace."""

    def __init__(self, telemetry: Telemetry, engine: Engine, client: OpenAI) -> None:
        self._web = telemetry.chatbot.get_tracer("chatbot.web")
        self._assistant = telemetry.assistant.get_tracer("assistant.api")
        self._engine = engine
        self._client = client

    def chat(self, user: str, model: str, question: str) -> str:
        """POST /chat: who asks is looked up, then the assistant service is called."""
        with self._request("POST", "/chat", user):
            with Session(self._engine) as session:
                session.get_one(User, user)
            with self._web.start_as_current_span(
                "POST",
                kind=SpanKind.CLIENT,
                attributes={"http.request.method": "POST", "url.full": "http://assistant/answer"},
            ):
                return self._answer(model, question)

    def _answer(self, model: str, question: str) -> str:
        """POST /answer of the assistant service."""
        with self._assistant.start_as_current_span(
            "POST /answer",
            kind=SpanKind.SERVER,
            attributes={"http.request.method": "POST", "http.route": "/answer", "http.response.status_code": 200},
        ):
            completion = self._client.chat.completions.create(
                model=model,
                messages=[{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": question}],
            )
            return completion.choices[0].message.content or ""

    def conversations(self, user: str) -> list[str]:
        """GET /conversations: one query for the list, then one for the messages of each: the N+1."""
        with self._request("GET", "/conversations", user), Session(self._engine) as session:
            found = session.scalars(select(Conversation).where(Conversation.user_id == user)).all()
            return [f"{conversation.title}: {len(conversation.messages)}" for conversation in found]

    def search(self, user: str, words: str) -> list[str]:
        """GET /search: a query without an index, which takes its time."""
        # One row waits, however many there are: the first condition is cheap and leaves one.
        statement = text("select text from documents where id = 1 and waited(id, :seconds) and text like :words")
        with self._request("GET", "/search", user), self._engine.connect() as connection:
            found = connection.execute(statement, {"seconds": SEARCH_SECONDS, "words": f"%{words}%"})
            return [row.text for row in found]

    def rate(self, user: str, rating: str) -> int:
        """POST /ratings: raises InvalidRatingError for what is no number, and nobody catches it."""
        with self._request("POST", "/ratings", user):
            try:
                return int(rating)
            except ValueError as error:
                raise InvalidRatingError(f"{rating!r} is not a rating") from error

    def profile(self, user: str) -> str:
        """GET /profile: one quick query."""
        with self._request("GET", "/profile", user), Session(self._engine) as session:
            return session.get_one(User, user).name

    def health(self) -> None:
        """GET /health: as uninteresting as it gets."""
        with self._request("GET", "/health", ""):
            pass

    @contextmanager
    def _request(self, method: str, route: str, user: str) -> Iterator[None]:
        """The server span around a handler, as an instrumentation of a web framework makes it."""
        attributes = {"http.request.method": method, "http.route": route, "url.path": route}
        if user:
            attributes |= {"user.id": user, "session.id": f"session-of-{user}"}
        with self._web.start_as_current_span(f"{method} {route}", kind=SpanKind.SERVER, attributes=attributes) as span:
            status = 500
            try:
                yield
                status = 200
            finally:
                span.set_attribute("http.response.status_code", status)


@contextmanager
def chatbot(telemetry: Telemetry, engine: Engine, provider_url: str) -> Iterator[Chatbot]:
    """The application with its libraries instrumented."""
    databases, models = SQLAlchemyInstrumentor(), OpenAIInstrumentor()  # type: ignore[no-untyped-call] # has no annotations
    databases.instrument(engine=engine, tracer_provider=telemetry.chatbot)
    models.instrument(tracer_provider=telemetry.assistant)
    try:
        with OpenAI(api_key="not-a-key", base_url=provider_url, max_retries=0) as client:
            yield Chatbot(telemetry, engine, client)
    finally:
        models.uninstrument()
        databases.uninstrument()
        engine.dispose()

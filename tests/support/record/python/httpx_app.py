"""Two services: a page of `shop` asks `users` for one user after the other over HTTP, each of them traced."""

from __future__ import annotations

import time

import flask
import httpx
from app import request, serving, traced_flask, tracer_provider, tracing
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

USERS = 12
ANSWER_SECONDS = 0.005


def users_application() -> flask.Flask:
    """The service that is asked; `ids` and `users` are its two kinds of resource."""
    application = traced_flask(tracer_provider("users"))

    @application.get("/users/<int:user_id>")
    def user(user_id: int) -> dict[str, int]:
        time.sleep(ANSWER_SECONDS)
        return {"id": user_id}

    @application.get("/teams/<int:team_id>")
    def team(team_id: int) -> list[int]:
        time.sleep(ANSWER_SECONDS)
        return list(range(1, USERS + 1))

    return application


def main() -> None:
    """Serve both and ask for the page that loops and for one that does not."""
    with tracing("shop") as provider, serving(users_application()) as users:
        HTTPXClientInstrumentor().instrument(tracer_provider=provider)
        client = httpx.Client(base_url=users)
        application = traced_flask(provider)

        @application.get("/team/<int:team_id>")
        def members_one_by_one(team_id: int) -> list[int]:
            ids = client.get(f"/teams/{team_id}").json()
            return [client.get(f"/users/{user_id}").json()["id"] for user_id in ids]

        @application.get("/profile/<int:user_id>")
        def profile(user_id: int) -> dict[str, int]:
            return client.get(f"/users/{user_id}?verbose=1").json()

        with serving(application) as shop:
            request(f"{shop}/team/3")
            request(f"{shop}/profile/7")


if __name__ == "__main__":
    main()

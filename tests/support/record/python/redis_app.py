"""A cache on Redis that is read in a loop, which is how Redis is meant to be used, and once in a pipeline."""

from __future__ import annotations

import os

import redis
from app import request, serving, traced_flask, tracing
from opentelemetry.instrumentation.redis import RedisInstrumentor

ITEMS = 20
# Large enough that a read takes milliseconds: the loop takes as long as a query loop that would be reported.
VALUE = b"x" * 2_000_000


def main() -> None:
    """Fill the cache before anything is traced, then ask for each page once."""
    keys = [f"item:{number}" for number in range(ITEMS)]
    untraced = redis.Redis.from_url(os.environ["REDIS_URL"])
    for key in keys:
        untraced.set(key, VALUE)
    with tracing("shop") as provider:
        RedisInstrumentor().instrument(tracer_provider=provider)
        cache = redis.Redis.from_url(os.environ["REDIS_URL"])
        application = traced_flask(provider)

        @application.get("/items")
        def one_by_one() -> str:
            cache.get("catalogue")
            return str(sum(len(cache.get(key)) for key in keys))

        @application.get("/items/pipelined")
        def pipelined() -> str:
            with cache.pipeline() as pipeline:
                for key in keys:
                    pipeline.strlen(key)
                return str(sum(pipeline.execute()))

        with serving(application) as url:
            request(f"{url}/items")
            request(f"{url}/items/pipelined")


if __name__ == "__main__":
    main()

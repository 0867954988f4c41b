"""Work that is done once for each item although it could be done once for all of them.

The reference is Sentry's own detector (N+1 DB queries, MN+1, N+1 API calls): at least 5 repeats after a source query,
below the same parent, with the same normalised text, which take at least 50 ms when overlapping ones count once. So
queries that run at once (`Promise.all`) are a loop too, but only the time that passes counts. It also sees

* values instead of placeholders: repeats are compared by fingerprint,
* repeats whose parents are siblings of one loop, as in GraphQL resolvers and ORMs,
* repeats with other spans between them: pool connections, the other statements of the loop,
* long loops over a fast connection, and loops of writes, which need no source query,
* GET requests of one URL template, and calls of one MCP tool.

It is silent on statements that name no table (BEGIN, COMMIT, `SELECT 1`), INSERTs of many rows, Redis, reading on page
by page, one request again and again, polling, and loops too fast to matter.

    spans ──candidates──> repeats ──loops──> loops ──sources, naming──> named loops ──report──> findings
                                   tree

Traces without repeats are told apart by counting and cost next to nothing.
"""

from otelbridge.processors.n_plus_one.processor import SPEC, NPlusOne
from otelbridge.processors.n_plus_one.settings import Config

__all__ = ["SPEC", "Config", "NPlusOne"]

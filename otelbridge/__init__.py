"""otelbridge: OTLP in, columns through, Sentry out, nothing lost.

Reading the packages from left to right is reading the flow of data:

    receivers -> otlp -> log -> engine (processors, trackers) -> exporters -> delivery

Data flows sideways, imports point down: `core` is the vocabulary and imports nothing of ours.
"""

__version__ = "0.1.0"

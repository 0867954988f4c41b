"""What Sentry's default data scrubbing destroys, so that nothing of ours is among it.

Every Sentry project scrubs by default: a value is replaced by `[Filtered]`, or removed when it is a number, if its key
or its text looks like a secret. That hits token counts, a table named `author` and a route `/oauth/callback` alike.
Three things follow. Counts move to names that Sentry knows. Text of ours that would be hit is *shielded*: an
invisible character breaks the word that the pattern looks for. And values of the user's own under a name that looks
like a secret stay here: the reader sees the same `[Filtered]`, but nobody had to be trusted with the value.

Source: relay-pii/src/regexes.rs, PASSWORD_KEY_REGEX and TOKEN_KEY_REGEX of `@common:filter`; names that are exempt are
those which sentry-conventions marks `apply_scrubbing: manual`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from otelbridge.semconv.concepts import GEN_AI_USAGE

FILTERED = "[Filtered]"
WORD_JOINER = "\u2060"

_WORDS = r"password|secret|passwd|api[-_]key|apikey|auth|credentials|mysql_pwd|privatekey|private[-_]key"
_WHOLE = r"^otp$|^two[-_]factor$"
SECRET_NAME = re.compile(f"{_WORDS}|{_WHOLE}", re.IGNORECASE)
TOKEN_NAME = re.compile("token", re.IGNORECASE)
_SECRET_TEXT = re.compile(rf"{_WORDS}|token[^\s]*[:=]|{_WHOLE}", re.IGNORECASE)

_PERSONAL = re.compile(r"(?:\d[ -]?){13}|\d{3}-\d\d-\d{4}|\b[A-Z]{2}\d\d[A-Z0-9]{10}|://[^/\s]*@")
"""Numbers of cards, people and accounts, and URLs with credentials; more than Sentry takes for one."""

REMEMBERED_TEXTS = 2048  # names of tables, statements without values: the same ones again and again, a kB each

SURVIVING_NAMES = frozenset(
    {
        "aws.secretsmanager.secret.arn",
        "gen_ai.request.max_tokens",
        "gen_ai.response.time_to_first_token",
        "gen_ai.response.tokens_per_second",
        "mcp.progress.token",
        "gen_ai.cost.cache_creation.input_tokens",
        "gen_ai.cost.cache_read.input_tokens",
        "gen_ai.cost.input_tokens",
        "gen_ai.cost.output_tokens",
        "gen_ai.cost.reasoning.output_tokens",
        "gen_ai.cost.total_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.total_tokens",
    }
)
"""Names that look like secrets to the patterns and yet survive, because Sentry knows them."""

SECOND_SPELLING = {
    "gen_ai.usage.cache_read.input_tokens": "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.cache_creation.input_tokens": "gen_ai.usage.input_tokens.cache_write",
    "gen_ai.usage.reasoning.output_tokens": "gen_ai.usage.output_tokens.reasoning",
}
"""Sentry's name of a count today -> its name yesterday, which older versions read. Both are sent."""

_OTHER_COUNTS = {
    "ai.response.avgOutputTokensPerSecond": "gen_ai.response.tokens_per_second",
    "ai.response.avgCompletionTokensPerSecond": "gen_ai.response.tokens_per_second",
    "ai.settings.maxOutputTokens": "gen_ai.request.max_tokens",
    "ai.settings.maxTokens": "gen_ai.request.max_tokens",
    "llm.request.max_tokens": "gen_ai.request.max_tokens",
    "ai.usage.inputTokenDetails.noCacheTokens": "otelbridge.usage.input.uncached",
    "ai.usage.outputTokenDetails.textTokens": "otelbridge.usage.output.text",
}

RENAMED_COUNTS: dict[str, str] = {
    source.key: concept.name
    for concept in GEN_AI_USAGE
    for source in concept.sources
    if source.key != concept.name and TOKEN_NAME.search(source.key) and source.key not in SURVIVING_NAMES
} | _OTHER_COUNTS
"""Attribute with a count that would be lost -> the name under which it survives. A canonical attribute on the same span
wins over a renamed one. Any other number under a name with `token` in it goes into tags, which are not scrubbed."""


@lru_cache(REMEMBERED_TEXTS)
def is_destroyed(text: str) -> bool:
    """Whether a value with this text is replaced, under whatever name it stands."""
    return _SECRET_TEXT.search(text) is not None


def may_be_destroyed(text: str) -> bool:
    """The same where personal data is replaced too: in fields of an event, though not in its tags."""
    return is_destroyed(text) or _PERSONAL.search(text) is not None


@lru_cache(REMEMBERED_TEXTS)
def shield(text: str) -> str:
    """The text, with a word joiner inside every word that scrubbing looks for. Reads the same, and survives."""
    return _SECRET_TEXT.sub(_broken, text)


def shield_name(name: str) -> str:
    """The same for a name under which a value of ours stands."""
    return TOKEN_NAME.sub(_broken, shield(name))


def _broken(found: re.Match[str]) -> str:
    return found[0][0] + WORD_JOINER + found[0][1:]

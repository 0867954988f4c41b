"""Several sources into one tree: files in their order, then `--set`.

Maps are merged key by key, anything else is replaced whole. A key without a value (`batch:`) wins like any other value
and means the default, which is how a later file takes back what an earlier one set.
"""

from __future__ import annotations

import re
from dataclasses import replace

from otelbridge.config.document import Entry, Mapping, Node, Place, Scalar, Source, Unreadable, read_document

_PATH = re.compile(r'(?:"[^"]+"|[\w/-]+)(?:\.(?:"[^"]+"|[\w/-]+))*')
_STEP = re.compile(r'"([^"]+)"|([\w/-]+)')


def merge(below: Node, above: Node) -> Node:
    """`above` laid over `below`."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        under = entries.get(key)
        entries[key] = Entry(entry.key, merge(under.node, entry.node)) if under else entry
    return replace(above, entries=entries)


def read_setting(setting: str) -> Node:
    """The tree of one `--set a.b.c=value`. Raises Unreadable, which never quotes the value: it may be a secret."""
    path, separator, text = setting.partition("=")
    if not separator or not _PATH.fullmatch(path):
        place = _somewhere(Source("--set"))
        raise Unreadable("expected --set a.b.c=value; a key with other characters in double quotes", place)
    source = Source(f"--set {path}")
    node = _value(text, source)
    for quoted, plain in reversed(_STEP.findall(path)):
        node = Mapping(_somewhere(source), {quoted or plain: Entry(_somewhere(source), node)})
    return node


def _value(text: str, source: Source) -> Node:
    """The value read as YAML; where it is none, a text: `--set exporters.sentry.dsn=a: b` needs no quotes."""
    try:
        node = read_document(text, source)
    except Unreadable:
        return Scalar(_somewhere(source), text, text, quoted=True)
    if isinstance(node, Mapping) and not node.entries and not text.strip().startswith("{"):
        return Scalar(_somewhere(source), None, None)
    return node


def _somewhere(source: Source) -> Place:
    return Place(source, 0, 0, 0, 0)

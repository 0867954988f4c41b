"""From an offset in a text to its place in the file, so that a mistake inside a condition is underlined itself.

A text stands in a file in quotes, with escapes, folded over lines or indented as a block. Rather than know all these
rules, the text is found again in what was written: character by character, passing over what YAML took away.
"""

from __future__ import annotations

from otelbridge.config.document import Node, Place, Scalar


def place_within(node: Node, start: int, end: int) -> Place | None:
    """The place of `text[start:end]` of a scalar; None where it has no place of its own, e.g. from a variable."""
    if not isinstance(node, Scalar) or node.variables or node.text is None or not node.place.source.lines:
        return None
    written = _written(node.place)
    places: list[tuple[int, int]] = []
    position = 0
    for character in node.text:
        while position < len(written) and not _matches(character, written[position][0]):
            position += 1
        if position == len(written):
            return None
        places.append(written[position][1:])
        position += 1
    if start >= len(places):
        return None
    (line, column), (last_line, last_column) = places[start], places[min(end, len(places)) - 1]
    if last_line != line:  # only one line is shown
        last_column = max(place[1] for place in places[start:end] if place[0] == line)
    return Place(node.place.source, line, column, line, last_column + 1)


def _matches(character: str, written: str) -> bool:
    """Folding makes a blank of a line break."""
    return character == written or (character == " " and written == "\n")


def _written(place: Place) -> list[tuple[str, int, int]]:
    """The characters of the file at a place, with line and column; quotes and the header of a block left out."""
    lines = place.source.lines
    first = lines[place.line][place.column : place.column + 1]
    characters = []
    for number in range(place.line, min(place.end_line + 1, len(lines))):
        if number == place.line and first in {"|", ">"}:
            continue
        line = lines[number]
        start = place.column if number == place.line else 0
        stop = place.end_column if number == place.end_line else len(line)
        characters += [(line[column], number, column) for column in range(start, stop)]
        characters.append(("\n", number, stop))
    return characters[1:] if first in {'"', "'"} else characters

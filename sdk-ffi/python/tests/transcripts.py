"""Reading transcripts, and what it means for a line to match (tests/vectors/stream/README.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

VECTORS = Path(__file__).resolve().parents[3] / "tests/vectors"

KINDS = (">", "<", "!", "=")


@dataclass
class Line:
    place: str
    kind: str
    value: Any
    t: int
    within: tuple[int, int] | None
    on: str
    is_exact: bool
    frame: str

    @property
    def word(self) -> tuple[str, Any]:
        """The word of a `!` or `=` line, which is its value or the value's one member, and what the member holds."""
        if isinstance(self.value, str):
            return self.value, None
        name: str = next(iter(self.value))
        return name, self.value[name]


@dataclass
class Transcript:
    header: dict[str, Any]
    lines: list[Line] = field(default_factory=list[Line])


@dataclass
class Said:
    at: int
    frame: str | None = None
    word: Any = None

    def __str__(self) -> str:
        return self.frame if self.frame is not None else json.dumps(self.word)


def transcripts() -> list[Transcript]:
    """Every transcript of every file."""
    found: list[Transcript] = []
    for path in sorted((VECTORS / "stream").glob("*.jsonl")):
        for number, source in enumerate(path.read_text().split("\n"), 1):
            if source.strip():
                value = json.loads(source)
                if "name" in value:
                    found.append(Transcript(value))
                else:
                    found[-1].lines.append(line(f"{path.name}:{number}", source, value))
    return found


def line(place: str, source: str, raw: dict[str, Any]) -> Line:
    kind = next(kind for kind in KINDS if kind in raw)
    value = raw[kind]
    within = raw.get("within")
    return Line(
        place,
        kind,
        value,
        raw["t"],
        None if within is None else (within[0], within[1]),
        raw.get("on", "a"),
        raw.get("exact") is True or isinstance(value, str),
        # The bytes of a frame are the value as it stands in the file.
        value if isinstance(value, str) else text_of(source, kind),
    )


def text_of(source: str, kind: str) -> str:
    """The text of a member's value, byte for byte."""
    start = source.index(":", source.index(f'"{kind}"')) + 1
    start += len(source[start:]) - len(source[start:].lstrip())
    _, end = json.JSONDecoder().raw_decode(source, start)
    return source[start:end]


def difference(expected: Line, said: Said) -> str | None:
    """How what was said differs from what the line expects."""
    if said.frame is not None:
        if expected.is_exact:
            return None if said.frame == expected.frame else f"expected exactly {expected.frame}, was {said.frame}"
        return compare(expected.value, json.loads(said.frame), "")
    wanted, word = expected.value, said.word
    if isinstance(wanted, dict) and isinstance(word, dict):
        bounds: Any = cast(dict[str, Any], wanted).get("waiting")
        waits: Any = cast(dict[str, Any], word).get("waiting")
        if bounds is not None and waits is not None:
            return None if bounds[0] <= waits <= bounds[1] else f"expected {bounds}, was {waits}"
    return compare(expected.value, said.word, "")


def compare(expected: Any, actual: Any, path: str) -> str | None:
    """`"…"` matches anything; an object may have more members than were expected."""
    if expected == "…" or (expected == actual and isinstance(expected, bool) == isinstance(actual, bool)):
        return None
    if isinstance(expected, list) and isinstance(actual, list):
        wanted: list[Any] = expected  # pyright: ignore[reportUnknownVariableType]
        found: list[Any] = actual  # pyright: ignore[reportUnknownVariableType]
        if len(wanted) == len(found):
            differences = (compare(one, other, f"{path}[]") for one, other in zip(wanted, found))
            return next(filter(None, differences), None)
    if isinstance(expected, dict) and isinstance(actual, dict):
        members = cast(dict[str, Any], actual)
        for name, value in cast(dict[str, Any], expected).items():
            if name not in members:
                return f"{path}.{name}: expected {value!r}, was absent"
            if off := compare(value, members[name], f"{path}.{name}"):
                return off
        return None
    return f"{path}: expected {expected!r}, was {actual!r}"

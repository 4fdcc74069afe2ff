"""YAML files, with the core schema of YAML 1.2, `<<` to merge, and JSON's values only.

The library's events are composed here, not by it: its composer is recursive, and aliases of
aliases could grow without end.

Source: YAML 1.2.2, section 10.3; https://yaml.org/type/merge.html.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)
from yaml.reader import Reader, ReaderError

from tipman.files.faults import PlacedFault
from tipman.files.reading import Reading
from tipman.files.scalars import ScalarError, plain_value, shown_tag, tagged_value
from tipman.jsontext import Json, Path, Place, place_at
from tipman.jsontext.values import deep, reason_against

EXPANDED_MAX = 1_000_000
"""Values that aliases may stand for, all of them together."""
FAULTS_MAX = 100

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTAINER_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_MERGE = "<<"
_KEY_WANTED = object()


def read(text: str, *, file: str, depth_max: int) -> Reading:
    """Return what a text says."""
    composer = _Composer(depth_max)
    try:
        composer.compose(text)
    except _StopError as stop:
        faults = (*composer.faults, (stop.path, stop.place, stop.detail))
        return Reading(None, _placed(file, faults), is_broken=True)
    return Reading(composer.value, _placed(file, composer.faults))


def places(text: str, wanted: Collection[Path]) -> Mapping[Path, Place]:
    """Return where the wanted keys, or else values, stand; what is not there is left out."""
    finder = _Finder(wanted)
    try:
        finder.compose(text)
    except _StopError:
        return finder.found  # What stands before the end is all that can be told.
    return finder.found


def _placed(file: str, faults: Collection[tuple[Path, Place, str]]) -> tuple[PlacedFault, ...]:
    return tuple(PlacedFault(file, p.line, p.column, path, detail) for path, p, detail in faults)


class _StopError(Exception):
    """Where the text stops making sense."""

    def __init__(self, path: Path, place: Place, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.place = place
        self.detail = detail


class _Anchored(NamedTuple):
    """What an anchor names: its value, how many values that is, and how deep it goes."""

    value: Any
    size: int
    height: int


class _Frame:
    """A list or object that is still open, with its size and height so far."""

    __slots__ = ("anchor", "height", "is_object", "key", "merged", "repeated", "size", "value")

    def __init__(self, event: CollectionStartEvent) -> None:
        self.is_object = isinstance(event, MappingStartEvent)
        self.value: Any = {} if self.is_object else []
        self.anchor: str | None = event.anchor
        self.key: object = _KEY_WANTED
        self.repeated = False
        self.merged: list[dict[str, Json]] = []
        self.size = 1
        self.height = 0

    def step(self) -> str | int:
        return str(self.key) if self.is_object else len(self.value)

    def wants_key(self) -> bool:
        return self.is_object and self.key is _KEY_WANTED

    def put(self, value: Json) -> None:
        if not self.is_object:
            self.value.append(value)
            return
        if self.key != _MERGE and not self.repeated:
            self.value[self.key] = value
        self.key = _KEY_WANTED

    def finished(self) -> _Anchored:
        for source in self.merged:
            for key, value in source.items():
                self.value.setdefault(key, value)
        return _Anchored(self.value, self.size, self.height + 1)


class _Composer:
    """Turns events into one value; what is wrong but can be read past is gathered in `faults`."""

    def __init__(self, depth_max: int) -> None:
        self.value: Any = None
        self.faults: list[tuple[Path, Place, str]] = []
        self._depth_max = depth_max
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._expanded = 0
        self._documents = 0

    def compose(self, text: str) -> None:
        for event in _events(text):
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(event)
            elif isinstance(event, CollectionStartEvent):
                self._open(event)
            elif isinstance(event, CollectionEndEvent):
                frame = self._frames.pop()
                self._add(frame.finished(), frame.anchor, event)
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                self._documents += 1
                if self._documents > 1:
                    raise self._stop(event, "a second document; a file has one")

    def _met(self, event: Event) -> None:
        """Take note of a key, or of a value that has none; for those who look for places."""

    def _path(self) -> Path:
        return tuple(frame.step() for frame in self._frames if not frame.wants_key())

    def _fault(self, event: Event, detail: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append((self._path(), _place(event), detail))

    def _stop(self, event: Event, detail: str) -> _StopError:
        return _StopError(self._path(), _place(event), detail)

    def _scalar(self, event: ScalarEvent) -> None:
        if self._frames and self._frames[-1].wants_key():
            self._key(event)
            return
        self._note_item(event)
        try:
            value = _value(event)
        except ScalarError as error:
            self._fault(event, str(error))
            value = None
        if isinstance(value, str) and (reason := reason_against(value)) is not None:
            self._fault(event, reason)
        self._add(_Anchored(value, 1, 0), event.anchor, event)

    def _key(self, event: ScalarEvent) -> None:
        frame = self._frames[-1]
        text = event.value
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(text, 1, 0)
        frame.key, frame.repeated = text, text in frame.value
        self._met(event)
        if text == _MERGE and event.implicit[0]:
            return
        if frame.repeated:
            self._fault(event, f'duplicate key "{text}"')
        if event.implicit[0] and event.tag is None and not _is_text(text):
            self._fault(event, f"the key `{text}` is not a text; write it in quotes")
        if (reason := reason_against(text)) is not None:
            self._fault(event, reason)

    def _open(self, event: CollectionStartEvent) -> None:
        if self._frames and self._frames[-1].wants_key():
            raise self._stop(event, "a key that is a list or an object")
        if event.tag is not None and event.tag not in _CONTAINER_TAGS:
            self._fault(event, f"the tag `{shown_tag(event.tag)}` has no JSON value")
        if len(self._frames) >= self._depth_max:
            raise self._stop(event, deep(self._depth_max))
        self._note_item(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(event))

    def _alias(self, event: AliasEvent) -> None:
        anchored = self._anchors.get(str(event.anchor))
        if anchored is None:
            open_ = event.anchor in self._anchors
            detail = "stands within what it names" if open_ else "names nothing before it"
            raise self._stop(event, f"the alias `*{event.anchor}` {detail}")
        if self._frames and self._frames[-1].wants_key():
            raise self._stop(event, "a key that is an alias")
        self._note_item(event)
        self._expanded += anchored.size
        if self._expanded > EXPANDED_MAX:
            raise self._stop(event, f"aliases stand for more than {EXPANDED_MAX:,} values")
        if len(self._frames) + anchored.height > self._depth_max:
            raise self._stop(event, deep(self._depth_max))
        self._add(anchored, None, event)

    def _note_item(self, event: Event) -> None:
        if not self._frames or not self._frames[-1].is_object:
            self._met(event)

    def _add(self, found: _Anchored, anchor: str | None, event: Event) -> None:
        if anchor is not None:
            self._anchors[anchor] = found
        if not self._frames:
            self.value = found.value
            return
        frame = self._frames[-1]
        frame.size += found.size
        frame.height = max(frame.height, found.height)
        if frame.key == _MERGE:
            self._merge(frame, found.value, event)
        frame.put(found.value)

    def _merge(self, frame: _Frame, value: Any, event: Event) -> None:
        sources = value if isinstance(value, list) else [value]
        if all(isinstance(source, dict) for source in sources):
            frame.merged += sources
        else:
            self._fault(event, "`<<` merges an object or a list of them")


class _Finder(_Composer):
    """Goes over a text again and remembers where the wanted paths stand."""

    def __init__(self, wanted: Collection[Path]) -> None:
        super().__init__(depth_max=_DEPTH_FOUND_MAX)
        self.found: dict[Path, Place] = {}
        self._wanted = wanted
        self._longest = max(map(len, wanted), default=0)

    def _met(self, event: Event) -> None:
        if len(self._frames) <= self._longest:
            path = self._path()
            if path in self._wanted:
                self.found.setdefault(path, _place(event))


_DEPTH_FOUND_MAX = 1000


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        place = _at(error.problem_mark or error.context_mark)
        raise _StopError((), place, _words(error, text, place)) from None
    except ReaderError:
        found = Reader.NON_PRINTABLE.search(text)
        place = Place(1, 1) if found is None else place_at(text, found.start())
        raise _StopError((), place, "a character that YAML does not allow") from None


def _words(error: yaml.MarkedYAMLError, text: str, place: Place) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if line[place.column - 1 : place.column] == "\t" or line.lstrip(" ").startswith("\t"):
        return "a tab; YAML is indented with spaces"
    return " ".join(filter(None, (error.problem, error.context))) or "not YAML"


def _place(event: Event) -> Place:
    return _at(event.start_mark)


def _at(mark: Any) -> Place:
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _value(event: ScalarEvent) -> Json:
    if event.tag is not None:
        return tagged_value(event.value, event.tag)
    return plain_value(event.value) if event.implicit[0] else event.value


def _is_text(plain: str) -> bool:
    try:
        return isinstance(plain_value(plain), str)
    except ScalarError:
        return False

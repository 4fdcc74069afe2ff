"""A file as a JSON value that knows where each part of it stands."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path as FilePath
from types import ModuleType

from tipman.errors import Fault
from tipman.files import json_text
from tipman.files.faults import InvalidFileError, PlacedFault, path_in
from tipman.files.reading import Reading
from tipman.jsontext import DEPTH_MAX, Json, Path, Place, place_at

BYTES_MAX = 16 * 1024 * 1024

_BYTE_ORDER_MARK = "\ufeff"


class Format(StrEnum):
    """How a file is written."""

    JSON = "json"
    YAML = "yaml"
    TOML = "toml"


_SUFFIXES = {
    ".json": Format.JSON,
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".toml": Format.TOML,
}


class Document:
    """What a file says: `value`, and `faults` of the text that did not keep it from being read.

    A document with faults is there to be looked at for more of them, and then to be refused.
    """

    def __init__(self, file: str, text: str, format_: Format, reading: Reading) -> None:
        self.file = file
        self.format = format_
        self.value: Json = reading.value
        self.faults = reading.faults
        self._text = text

    def placed(self, faults: Iterable[Fault]) -> tuple[PlacedFault, ...]:
        """Return faults of the value at their places in the file.

        What is missing stands where it should be: at the nearest thing around it.
        """
        found = [(path_in(self.value, fault.pointer), fault.detail) for fault in faults]
        wanted = {path[:end] for path, _ in found for end in range(len(path) + 1)}
        places = _reader(self.format).places(self._text, wanted) if wanted else {}
        return tuple(self._placed(path, detail, places) for path, detail in found)

    def refuse(self, faults: Iterable[Fault] = ()) -> None:
        """Raise the error for faults of the text and of the value, if there are any.

        Raises:
            InvalidFileError: there are.
        """
        known = {fault.path for fault in self.faults}
        more = [fault for fault in self.placed(faults) if fault.path not in known]
        if self.faults or more:
            raise InvalidFileError((*self.faults, *more))

    def _placed(self, path: Path, detail: str, places: Mapping[Path, Place]) -> PlacedFault:
        for end in range(len(path), -1, -1):
            if path[:end] in places:
                place = places[path[:end]]
                return PlacedFault(self.file, place.line, place.column, path, detail)
        return PlacedFault(self.file, None, None, path, detail)


def read_file(
    path: FilePath, *, bytes_max: int = BYTES_MAX, depth_max: int = DEPTH_MAX
) -> Document:
    """Read a file; its format is told by its suffix, else by how it starts.

    Raises:
        InvalidFileError: it can not be opened, or its text can not be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise _unusable(str(path), f"can not be read: {error.strerror}") from None
    if len(data) > bytes_max:
        raise _unusable(str(path), f"is larger than {bytes_max:,} bytes")
    return read_bytes(
        data, file=str(path), format_=_SUFFIXES.get(path.suffix.lower()), depth_max=depth_max
    )


def read_bytes(
    data: bytes, *, file: str, format_: Format | None = None, depth_max: int = DEPTH_MAX
) -> Document:
    """Read what a file holds; *file* names it in faults. None finds the format by how it starts.

    Raises:
        InvalidFileError: it is empty, not UTF-8, or no text of its format.
    """
    text = _text(data, file).removeprefix(_BYTE_ORDER_MARK)
    if not text.strip():
        raise _unusable(file, "is empty")
    chosen = format_ or (Format.JSON if text.lstrip()[0] in "{[" else Format.YAML)
    reading: Reading = _reader(chosen).read(text, file=file, depth_max=depth_max)
    document = Document(file, text, chosen, reading)
    if reading.is_broken:
        document.refuse()
    return document


def _text(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line, column = place_at(before, len(before))
        detail = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise InvalidFileError([PlacedFault(file, line, column, (), detail)]) from None


def _unusable(file: str, detail: str) -> InvalidFileError:
    return InvalidFileError([PlacedFault(file, None, None, (), detail)])


def _reader(format_: Format) -> ModuleType:
    if format_ is Format.JSON:
        return json_text
    # Their libraries take memory that an engine without such files never needs.
    if format_ is Format.TOML:
        from tipman.files import toml_text  # noqa: PLC0415 - see above

        return toml_text
    from tipman.files import yaml_text  # noqa: PLC0415 - see above

    return yaml_text

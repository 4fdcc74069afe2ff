"""Files that people write: JSON, YAML and TOML as JSON values, each fault with its place.

YAML is read with the core scalars of YAML 1.2: `no`, `on` and `12:30` are texts. Nothing here
knows what a workflow is; `tipman.definitions` does.
"""

from tipman.files.document import Document, Format, read_bytes, read_file
from tipman.files.faults import InvalidFileError, PlacedFault

__all__ = [
    "Document",
    "Format",
    "InvalidFileError",
    "PlacedFault",
    "read_bytes",
    "read_file",
]

"""Houses of the core, in which workflows run without threads."""

from core.conftest import build, house, url

__all__ = ["build", "house", "url"]

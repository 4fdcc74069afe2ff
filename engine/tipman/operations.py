"""Operations: what an engine does for those who look after it."""

import os
from typing import TYPE_CHECKING

from tipman.core import Core
from tipman.telemetry import from_environment
from tipman.views import Views

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor


class Operations(Views):
    """The part of an engine that keeps it in order."""

    def export_spans(self, processor: "SpanProcessor") -> None:
        """Hand spans of what happens from now on to a processor of OpenTelemetry's SDK."""
        from tipman.spans import SpanMaker  # noqa: PLC0415 - the SDK need not be installed

        self.core.observe(SpanMaker(processor, self.core.database.reader))

    @staticmethod
    def _observe(core: Core) -> None:
        telemetry = from_environment(os.environ, core.database.reader)
        if telemetry is not None:
            core.observe(telemetry)

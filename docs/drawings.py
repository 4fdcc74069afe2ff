"""Draws the built-in charts into ARCHITECTURE.md: `make drawings`."""

import re
from pathlib import Path

from tipman.charts import RUN, SCHEDULE, TASK
from tipman.statecharts import Chart, draw_mermaid

PAGE = Path(__file__).parent.parent / "ARCHITECTURE.md"
CHARTS: dict[str, Chart] = {"task": TASK, "run": RUN, "schedule": SCHEDULE}


def drawn(page: str) -> str:
    """Return the page with every drawing between its marks made anew."""
    for name, chart in CHARTS.items():
        block = f"<!-- drawing: {name} -->\n\n```mermaid\n{draw_mermaid(chart).strip()}\n```\n\n"
        marks = rf"<!-- drawing: {name} -->.*?(?=<!-- end of drawing -->)"
        page = re.sub(marks, lambda _, block=block: block, page, flags=re.DOTALL)
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

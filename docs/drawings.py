"""Draws the built-in charts into ARCHITECTURE.md: `make drawings`."""

import re
from pathlib import Path

from tipman.charts import chart_of
from tipman.statecharts import draw_mermaid

PAGE = Path(__file__).parent.parent / "ARCHITECTURE.md"
KINDS = ("task", "run", "schedule")


def drawn(page: str) -> str:
    """Return the page with every drawing between its marks made anew."""
    for name in KINDS:
        picture = draw_mermaid(chart_of(name)).strip()
        block = f"<!-- drawing: {name} -->\n\n```mermaid\n{picture}\n```\n\n"
        marks = rf"<!-- drawing: {name} -->.*?(?=<!-- end of drawing -->)"
        page = re.sub(marks, lambda _, block=block: block, page, flags=re.DOTALL)
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

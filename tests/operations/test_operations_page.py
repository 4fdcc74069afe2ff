"""The page on operations names what there is: figures, checks, calls."""

import re
from pathlib import Path

from serving.served import Served
from tipman.checkup import examine_at_rest
from tipman_api import administration

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_figure_is_explained(tmp_path):
    with Served(tmp_path / "home") as served:
        text = served.get("/metrics").body.decode()

    families = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    assert len(families) > 10
    assert [name for name in families if name not in PAGE and name != "tipman_info"] == []


def test_every_check_is_explained(tmp_path):
    with Served(tmp_path / "home") as served:
        settings = served.settings
        (settings.home / "token").touch(mode=0o600)
    names = [check.name for check in examine_at_rest(settings).checks]

    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_every_call_is_explained():
    paths = [route.path for route in administration.router.routes]

    assert [path for path in paths if path not in PAGE] == []

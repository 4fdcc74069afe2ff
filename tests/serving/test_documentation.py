"""The API's description is what the server does: document, page and examples."""

import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli.program import Program

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
SCRIPT = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))


def operations():
    return [(m.upper(), path) for path, of in DOCUMENT["paths"].items() for m in of]


def test_the_document_is_that_of_the_routes():
    written = runpy.run_path(str(ROOT / "docs" / "openapi.py"))["written"]()

    assert json.loads(written) == DOCUMENT, "run `make openapi`"


def test_a_server_shows_its_document(house):
    assert house.get("/openapi.json").json == DOCUMENT


@pytest.mark.parametrize(("method", "path"), operations(), ids=" ".join)
def test_every_operation_is_described(method, path):
    operation = DOCUMENT["paths"][path][method.lower()]

    said = f"{method} {path}" in PAGE or (method == "GET" and f"| `{path}` |" in PAGE)
    assert said, "docs/rest.md names every endpoint"
    assert operation["description"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"])
    for status, answer in operation["responses"].items():
        assert answer["description"], status


def test_operation_ids_are_different():
    ids = [DOCUMENT["paths"][path][method.lower()]["operationId"] for method, path in operations()]

    assert len(ids) == len(set(ids))


def test_everything_that_is_referred_to_is_there():
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)))

    assert names <= DOCUMENT["components"]["schemas"].keys()


def test_every_example_of_the_page_does_what_it_says(tmp_path):
    tipman = Program(tmp_path)
    with tipman.start("serve", "--port", "0") as running:
        running.until("Tipman serves")
        url = running.stdout[0].rpartition(" ")[2]

        ended = tipman.script("set -eE\ntrap 'echo FAILED: $BASH_COMMAND >&2' ERR\n"
                              + SCRIPT.replace("http://127.0.0.1:8000", url))  # fmt: skip

    assert ended.returncode == 0, ended.stderr + ended.stdout[-2000:]


class Links(HTMLParser):
    """What a page loads, and the scripts and styles that stand in it."""

    def __init__(self):
        super().__init__()
        self.loaded = []
        self.inline = 0
        self._tag = ""

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.loaded += [attributes[name] for name in ("src", "href") if name in attributes]
        self.inline += sum(name.startswith("on") or name == "style" for name in attributes)
        self._tag = tag

    def handle_data(self, data):
        self.inline += self._tag in {"script", "style"} and bool(data.strip())


def test_the_page_of_the_documentation_loads_our_own_files_only(house):
    page = house.get("/docs")
    links = Links()
    links.feed(page.body.decode())

    assert links.inline == 0
    assert all(path.startswith("/docs/") for path in links.loaded)
    for path in links.loaded:
        answer = house.get(path)
        assert answer.status == 200, path
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert house.get("/").headers["location"] == "/docs"


@pytest.mark.parametrize("path", ["/docs/index.html", "/docs/%2e%2e/app.py", "/docs/docs.html"])
def test_no_other_file_is_served(house, path):
    assert house.get(path).status in {400, 404}

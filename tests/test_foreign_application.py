"""An application that nobody here wrote, Mercurial's hgweb, with its own data, run wrapped."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser import require
from servers import stored

pytestmark = pytest.mark.browser

HG = Path(sys.executable).with_name("hg")
PAGES = ("/", "/shortlog", "/graph", "/file/tip", "/file/tip/tides.txt", "/help", "/rev/0", "/tags")
TAG = re.compile(rb'<script async="async" src="/_pagetimer/[^<]*</script>')
UNWRAPPED = """
import sys
from mercurial.hgweb import hgweb
from pagetimer_wsgi.server import FIRST_PORT, PORTS, listen
server = listen(hgweb(sys.argv[1].encode()), FIRST_PORT, PORTS)
print(f"at http://127.0.0.1:{server.effective_port}/", flush=True)
server.run()
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    require(HG.exists(), "Mercurial is not installed")
    folder = tmp_path_factory.mktemp("repository")
    (folder / "tides.txt").write_text("The moon pulls.\nThe sea follows.\n")
    for command in (
        ["init"],
        ["add", "-q"],
        ["commit", "-q", "-m", "Say why", "-u", "ada", "-d", "2020-01-01"],
    ):
        subprocess.run(
            [str(HG), *command], cwd=folder, check=True, env=os.environ | {"HGRCPATH": ""}
        )
    return folder


@contextlib.contextmanager
def served(*command, folder, data):
    environ = os.environ | {"HGRCPATH": "", "PAGETIMER_DATA": str(data)}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        yield re.search(r"http://\S+\d", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def both(repository, tmp_path_factory):
    """The addresses of hgweb wrapped by ``pagetimer run`` and of hgweb alone, and the data."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("empty")
    run = "from pagetimer_wsgi.cli import main; raise SystemExit(main())"
    target = f"mercurial.hgweb:hgweb({str(repository).encode()!r})"
    options = ("-o", "automation=yes")
    with (
        served("-c", run, "run", target, *options, folder=folder, data=data) as wrapped,
        served("-c", UNWRAPPED, str(repository), folder=folder, data=data) as alone,
    ):
        yield wrapped, alone, data


def is_graph(view):
    return view.path.startswith("/graph") and view.ended == "exact"


def fetch(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_the_same_but_for_the_tag(both, path):
    wrapped, alone, _ = both
    status, headers, body = fetch(wrapped + path)
    status_alone, headers_alone, body_alone = fetch(alone + path)
    assert len(TAG.findall(body)) == 1
    own_address = (wrapped.encode(), alone.encode())
    assert TAG.sub(b"", body).replace(*own_address) == body_alone
    assert status == status_alone
    assert int(headers.get("Content-Length") or len(body)) == len(body)
    changed = {"content-length", "etag", "last-modified", "accept-ranges", "date", "cache-control"}
    assert {k.lower() for k in headers} - changed == {k.lower() for k in headers_alone} - changed


@pytest.mark.parametrize(
    "path", ["/static/style-paper.css", "/static/hglogo.png", "/raw-file/tip/tides.txt"]
)
def test_what_is_no_page_is_the_same_to_the_byte(both, path):
    wrapped, alone, _ = both
    assert fetch(wrapped + path)[2] == fetch(alone + path)[2]


def test_chromium_reads_it_as_it_reads_it_unwrapped_and_the_time_is_known(both, chromium):
    wrapped, alone, data = both
    texts, errors = [], []
    for address in (wrapped, alone):
        page = chromium.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + "/")
        page.click("a:text-is('graph')")
        page.wait_for_url(re.compile("/graph"))
        began = time.monotonic()
        page.wait_for_timeout(2_000)
        page.click("a:text-is('browse')")
        spent = time.monotonic() - began
        page.wait_for_url(re.compile("/file"))
        page.click("text=tides.txt")
        texts.append(page.inner_text("body"))
        page.close()
        if address == wrapped:
            truth = spent
    assert texts[0] == texts[1]
    assert errors == []
    views = stored(data, lambda found: any(map(is_graph, found)))
    graph = next(filter(is_graph, views))
    assert graph.visible_ms == pytest.approx(truth * 1000, abs=1000)

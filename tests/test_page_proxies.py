"""Behind a real nginx that caches and strips a prefix, and under middleware that mounts."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from browser import CLIENT, require
from paste.urlmap import URLMap
from servers import Answer, Server, serving, stop
from webob import Request, Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from wsgi_servers import TAG, Client, free_port

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.who.keys import Keys
from pagetimer_wsgi.who.token import verify

PAGE = "<!DOCTYPE html><html><head><title>Tides</title></head><body>The moon pulls.</body></html>"

SITE = '''
from pagetimer_wsgi import PageTimer

ETAG = ("ETag", '"tides"')
CONTROL = "Cache-Control"
LATER = "Thu, 01 Jan 2099 00:00:00 GMT"
HEADERS = {
    "plain": [],
    "validated": [ETAG],
    "no-cache": [(CONTROL, "no-cache")],
    "max-age=0": [(CONTROL, "max-age=0, must-revalidate")],
    "must-revalidate": [(CONTROL, "must-revalidate")],
    "no-store": [(CONTROL, "no-store")],
    "private": [(CONTROL, "private, max-age=600")],
    "max-age": [(CONTROL, "max-age=600"), ETAG],
    "public": [(CONTROL, "public")],
    "expires": [("Expires", LATER)],
    "edge": [("X-Accel-Expires", "600")],
    "edge-private": [(CONTROL, "private"), ("X-Accel-Expires", "600")],
    "short": [(CONTROL, "max-age=1"), ETAG],
    "early": [(CONTROL, "public, max-age=600")],
    "late": [(CONTROL, "public, max-age=600")],
}
PAGE = """
<!DOCTYPE html>
<html><head><title>Tides</title>{}</head><body>The moon pulls.</body></html>
"""


def site(environ, start_response):
    name = environ["PATH_INFO"].rpartition("/")[2]
    headers = HEADERS.get(name, [])
    if ETAG in headers and environ.get("HTTP_IF_NONE_MATCH") == ETAG[1]:
        start_response("304 Not Modified", headers)
        return []
    start_response("200 OK", [("Content-Type", "text/html"), *headers])
    if name == "late":
        return by_hand(environ["pagetimer.tag"])
    return [PAGE.format(environ["pagetimer.tag"] if name == "early" else "").encode()]


def by_hand(tag):
    before, after = PAGE.split("{}")
    yield before.encode()
    yield str(tag).encode()
    yield after.encode()


who = {"user_key": "HTTP_X_USER", "session_key": "cookie:sid"}
timers = {
    "as it is": PageTimer(site, **who),
    "by url": PageTimer(site, url="/shop/_pagetimer", **who),
    "by header": PageTimer(site, trusted_proxies=1, **who),
    "by hand": PageTimer(site, inject="no", **who),
}


def application(environ, start_response):
    timer = timers[environ.get("HTTP_X_TIMER", "as it is")]
    return timer(environ, start_response)
'''

# Every page may be kept as long as its headers let it; below /valid also if they say nothing.
NGINX = """
user {user};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    proxy_cache_path {folder}/cache keys_zone=pages:1m;
    server {{
        listen 127.0.0.1:{port};
        proxy_cache pages;
        proxy_cache_key $request_uri;
        proxy_cache_revalidate on;
        add_header X-Cache $upstream_cache_status always;
        location / {{
            proxy_pass {site};
        }}
        location /valid/ {{
            proxy_cache_valid 200 10m;
            proxy_pass {site};
        }}
        location /direct/ {{
            proxy_cache off;
            proxy_pass {site};
        }}
        location /hand/ {{
            proxy_set_header X-Timer "by hand";
            proxy_pass {site};
        }}
        location /shop/ {{
            proxy_set_header X-Timer "by url";
            proxy_pass {site}/;
        }}
        location /store/ {{
            proxy_set_header X-Timer "by header";
            proxy_set_header X-Forwarded-Prefix /store;
            proxy_pass {site}/;
        }}
    }}
}}
"""

READERS: dict[str | None, dict[str, str]] = {
    None: {},
    "ada": {"X-User": "ada", "Cookie": "sid=a1"},
    "bob": {"X-User": "bob", "Cookie": "sid=b2"},
}
STRIPPED = ["/shop/", "/store/"]
LOCATIONS = ["/", "/valid/", *STRIPPED]
FOR_ONE_READER = [
    "plain",
    "validated",
    "no-cache",
    "max-age=0",
    "must-revalidate",
    "no-store",
    "private",
]
FOR_ALL_READERS = ["max-age", "expires", "edge"]


@dataclass(frozen=True)
class Nginx:
    """An nginx before a gunicorn that serves the site."""

    port: int
    site: Server
    keys: Keys

    def ask(self, path: str, reader: str | None = None, **headers: str) -> Answer:
        with Client(self.port) as client:
            return client.ask(path, **READERS[reader], **headers)

    def named(self, answer: Answer) -> str | None:
        """Return whom the page's one tag names, if anybody."""
        (tag,) = TAG.findall(answer.body)
        token = re.search(rb'data-pagetimer="([^"]*)"', tag)[1].decode()
        return verify(self.keys, token).user if token else None


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    require(program, "no nginx on this machine")
    folder, data = tmp_path_factory.mktemp("nginx"), tmp_path_factory.mktemp("data")
    (folder / "proxied_site.py").write_text(SITE)
    with serving("proxied_site:application", folder=folder, data=data) as site:
        port = free_port()
        user = pwd.getpwuid(os.geteuid()).pw_name
        configuration = folder / "nginx.conf"
        configuration.write_text(NGINX.format(user=user, folder=folder, port=port, site=site.url))
        log = ["-e", f"{folder}/error.log"]
        process = subprocess.Popen([program, *log, "-p", f"{folder}/", "-c", str(configuration)])
        keys = PageTimer(None, data=data).parts.key_ring.get()
        try:
            yield _ready(Nginx(port, site, keys), process)
        finally:
            stop(process)


def _ready(nginx: Nginx, process: subprocess.Popen[bytes], timeout: float = 15.0) -> Nginx:
    deadline = time.monotonic() + timeout
    while True:
        assert process.poll() is None, "nginx ended at its start"
        with contextlib.suppress(OSError):
            assert TAG.search(nginx.ask("/").body)
            return nginx
        assert time.monotonic() < deadline, "nginx does not come up"
        time.sleep(0.05)


# --- tokens and a shared cache ------------------------------------------------------------------


@pytest.mark.parametrize("page", [*FOR_ONE_READER, *FOR_ALL_READERS, "public", "edge-private"])
@pytest.mark.parametrize("location", LOCATIONS)
def test_nobody_sees_a_token_of_another(nginx, location, page):
    for number, order in enumerate(itertools.permutations(READERS)):
        for reader in order * 2:
            answer = nginx.ask(f"{location}{page}?{number}", reader)
            assert nginx.named(answer) in (None, reader)


@pytest.mark.parametrize("page", FOR_ONE_READER)
@pytest.mark.parametrize("location", LOCATIONS)
def test_a_page_that_no_cache_may_keep_names_its_own_reader(nginx, location, page):
    for reader in ("ada", "bob") * 2:
        answer = nginx.ask(f"{location}{page}?own", reader)
        assert nginx.named(answer) == reader
        assert answer.header("X-Cache") == "MISS"


@pytest.mark.parametrize("page", FOR_ALL_READERS)
@pytest.mark.parametrize("location", LOCATIONS)
def test_a_page_for_all_stays_in_the_cache_with_a_tag_that_names_nobody(nginx, location, page):
    found = [nginx.ask(f"{location}{page}?all", reader) for reader in ("ada", "bob", None)]
    assert [answer.header("X-Cache") for answer in found] == ["MISS", "HIT", "HIT"]
    assert [nginx.named(answer) for answer in found] == [None] * 3
    assert len({answer.body for answer in found}) == 1


def test_a_page_that_has_its_tag_by_hand_names_its_own_reader_and_is_not_kept(nginx):
    for reader in ("ada", "bob") * 2:
        answer = nginx.ask("/hand/early", reader)
        assert (nginx.named(answer), answer.header("X-Cache")) == (reader, "MISS")


def test_a_page_for_all_that_has_its_tag_by_hand_after_its_headers_names_nobody(nginx):
    for reader in ("ada", "bob", None):
        answer = nginx.ask("/hand/late", reader)
        assert nginx.named(answer) is None
        assert answer.header("Cache-Control") == "public, max-age=600"


@pytest.mark.parametrize("page", ["plain", "validated", "public"])
def test_a_page_of_nobody_is_kept_where_the_cache_is_told_to_keep_what_says_nothing(nginx, page):
    found = [nginx.ask(f"/valid/{page}?nobody", reader) for reader in (None, None, "ada")]
    assert [answer.header("X-Cache") for answer in found] == ["MISS", "HIT", "HIT"]
    assert [nginx.named(answer) for answer in found] == [None] * 3


def test_a_page_that_grew_old_in_the_cache_is_kept_when_the_application_says_so(nginx):
    first = nginx.ask("/short")
    assert first.header("ETag").startswith('W/"tides-pt')
    deadline = time.monotonic() + 10
    while (later := nginx.ask("/short")).header("X-Cache") == "HIT":
        assert time.monotonic() < deadline, "it does not grow old"
        time.sleep(0.05)
    assert later.header("X-Cache") == "REVALIDATED"
    assert (later.status, later.body) == (200, first.body)
    assert later.header("ETag") == first.header("ETag")


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_reader_who_has_a_page_in_the_cache_is_told_so(nginx, location):
    mark = nginx.ask(f"{location}max-age?mark").header("ETag")
    for reader in READERS:
        again = nginx.ask(f"{location}max-age?mark", reader, **{"If-None-Match": mark})
        assert (again.status, again.body, again.header("ETag")) == (304, b"", mark)


@pytest.mark.parametrize("location", [*LOCATIONS, "/direct/"])
def test_nobody_is_told_that_the_page_of_another_is_still_right(nginx, location):
    path = f"{location}validated?mark"
    mark = nginx.ask(path, "ada").header("ETag")
    for reader in ("bob", None):
        answer = nginx.ask(path, reader, **{"If-None-Match": mark})
        assert (answer.status, nginx.named(answer)) == (200, reader)


def test_a_reader_is_told_that_the_own_page_is_still_right_where_nothing_caches(nginx):
    # With proxy_cache nginx hands no If-None-Match on for what it may not keep.
    mark = nginx.ask("/direct/validated", "ada").header("ETag")
    answer = nginx.ask("/direct/validated", "ada", **{"If-None-Match": mark})
    assert (answer.status, answer.body, answer.header("ETag")) == (304, b"", mark)


# --- addresses behind nginx ---------------------------------------------------------------------


def script_of(page: bytes) -> str:
    return TAG.search(page)[0].split(b'"')[3].decode()


def beat_of(path: str, token: str = "") -> dict[str, Any]:
    now = int(time.time() * 1000)
    view = f"{now:012x}{os.urandom(10).hex()}"
    return {"v": view, "n": 0, "t": 5, "e": 5, "p": path, "d": now + 10, "w": "start", "k": token}


@pytest.mark.parametrize("location", ["/", *STRIPPED])
def test_the_script_is_answered_through_the_proxy_and_its_beat_is_stored(nginx, location):
    path = f"{location}plain"
    page = nginx.ask(path, "ada").body
    assert script_of(page).startswith(f"{location}_pagetimer/pagetimer.js?v=")
    script = nginx.ask(script_of(page))
    assert (script.status, script.body) == (200, client_script())
    token = re.search(rb'data-pagetimer="([^"]*)"', page)[1].decode()
    with Client(nginx.port) as client:
        form = "application/x-www-form-urlencoded"
        headers = {"Content-Type": form, "Origin": f"http://127.0.0.1:{nginx.port}"}
        beat = urlencode(beat_of(path, token))
        client.connection.request("POST", f"{location}_pagetimer/beat", beat, headers)
        assert client.connection.getresponse().status == 204
    found = nginx.site.stored(lambda views: any(view.path == path for view in views))
    assert [view.username for view in found if view.path == path] == ["ada"]


def client_script() -> bytes:
    return (CLIENT / "pagetimer.min.js").read_bytes()


# --- mounts, in this process --------------------------------------------------------------------

Application = Callable[..., Any]
Wrap = Callable[..., PageTimer]


def site(environ: dict[str, Any], start_response: Any) -> Any:
    return Response(PAGE)(environ, start_response)


def elsewhere(environ: dict[str, Any], start_response: Any) -> Any:
    return Response("elsewhere", status=404, content_type="text/plain")(environ, start_response)


def mapped(mounts: dict[str, Application]) -> URLMap:
    urlmap = URLMap(elsewhere)
    for path, application in mounts.items():
        urlmap[path] = application
    return urlmap


def dispatched(mounts: dict[str, Application]) -> DispatcherMiddleware:
    return DispatcherMiddleware(elsewhere, mounts)


def fixed(application: Application) -> ProxyFix:
    return ProxyFix(application, x_prefix=1)


def stripped(application: Application) -> Application:
    """A proxy that takes /shop off and says so."""

    def proxy(environ: dict[str, Any], start_response: Any) -> Any:
        assert environ["PATH_INFO"].startswith("/shop/")
        environ["PATH_INFO"] = environ["PATH_INFO"][len("/shop") :]
        environ["HTTP_X_FORWARDED_PREFIX"] = "/shop"
        return application(environ, start_response)

    return proxy


@pytest.fixture
def wrap(tmp_path: Path) -> Iterator[Wrap]:
    with contextlib.ExitStack() as stack:

        def wrap(application: Application, **options: Any) -> PageTimer:
            timer = PageTimer(application, data=tmp_path, **options)
            stack.callback(timer.close)
            return timer

        yield wrap


@pytest.mark.parametrize(
    ("build", "path", "base"),
    [
        *(
            pytest.param(*case, id=f"{mount.__name__}: {name}")
            for mount in (dispatched, mapped)
            for name, case in {
                "inside": (
                    lambda wrap, mount=mount: mount({"/shop": wrap(site)}),
                    "/shop/tides",
                    "/shop",
                ),
                "outside": (
                    lambda wrap, mount=mount: wrap(mount({"/shop": site})),
                    "/shop/tides",
                    "",
                ),
                "inside and outside": (
                    lambda wrap, mount=mount: wrap(mount({"/shop": wrap(site)})),
                    "/shop/tides",
                    "/shop",
                ),
                "between two": (
                    lambda wrap, mount=mount: mount({"/a": wrap(mount({"/b": site}))}),
                    "/a/b/tides",
                    "/a",
                ),
                "inside two": (
                    lambda wrap, mount=mount: mount({"/a": mount({"/b": wrap(site)})}),
                    "/a/b/tides",
                    "/a/b",
                ),
                "inside, at the mount itself": (
                    lambda wrap, mount=mount: mount({"/shop": wrap(site)}),
                    "/shop",
                    "/shop",
                ),
                "inside, a name with a space": (
                    lambda wrap, mount=mount: mount({"/the shop": wrap(site)}),
                    "/the%20shop/tides",
                    "/the%20shop",
                ),
            }.items()
        ),
        pytest.param(
            lambda wrap: stripped(fixed(wrap(site))),
            "/shop/tides",
            "/shop",
            id="ProxyFix: inside",
        ),
        pytest.param(
            lambda wrap: stripped(fixed(wrap(site, trusted_proxies=1))),
            "/shop/tides",
            "/shop",
            id="ProxyFix: inside, both trust the proxy",
        ),
        pytest.param(
            lambda wrap: stripped(wrap(fixed(site), trusted_proxies=1)),
            "/shop/tides",
            "/shop",
            id="ProxyFix: outside",
        ),
        pytest.param(
            lambda wrap: stripped(fixed(dispatched({"/sub": wrap(site)}))),
            "/shop/sub/tides",
            "/shop/sub",
            id="ProxyFix: inside, in a mount",
        ),
        pytest.param(
            lambda wrap: stripped(wrap(fixed(dispatched({"/sub": site})), trusted_proxies=1)),
            "/shop/sub/tides",
            "/shop",
            id="ProxyFix: outside, before a mount",
        ),
        pytest.param(
            lambda wrap: stripped(dispatched({"/sub": wrap(fixed(site), trusted_proxies=1)})),
            "/shop/sub/tides",
            "/shop/sub",
            id="ProxyFix: outside, in a mount",
        ),
    ],
)
def test_the_script_in_the_page_is_answered_wherever_the_application_is_mounted(
    wrap, build, path, base
):
    application = build(wrap)
    (tag,) = TAG.findall(Request.blank(path).get_response(application).body)
    assert script_of(tag).startswith(f"{base}/_pagetimer/pagetimer.js?v=")
    script = Request.blank(script_of(tag)).get_response(application)
    assert (script.status_code, script.body) == (200, client_script())
    beat = Request.blank(f"{base}/_pagetimer/beat", POST=beat_of(path))
    assert beat.get_response(application).status_code == 204

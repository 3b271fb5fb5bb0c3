"""A fork at the worst moment: the child's first beat is taken at once, whatever the parent held."""

import subprocess
import sys

FORK = """
import _thread, gc, io, os, signal, sys, time, threading, urllib.parse
from pathlib import Path
from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.stores.sql import migrations

def page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!DOCTYPE html><title>t</title><p>text"]

timer = PageTimer(page, data=sys.argv[1], user_key="odd:user.name")

def call(path, method="GET", **fields):
    body = urllib.parse.urlencode(fields).encode()
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "93.184.216.34", "HTTP_HOST": "localhost", "wsgi.url_scheme": "http",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "odd": Odd(),
        "pagetimer.nonce": Odd(),
    }
    said = []
    b"".join(timer(environ, lambda *values: said.append(values)))
    return said[-1][0]

class Odd:
    def __str__(self):
        raise RuntimeError("it is said of the page's tag")

    @property
    def user(self):
        raise RuntimeError("it is said by our own log line")

def beat(number):
    ms = time.time_ns() // 1_000_000
    view = f"{ms:012x}{number:020x}"
    return call("/_pagetimer/beat", "POST", v=view, n=0, t=1, e=1, p="/x", d=ms + 1)

def locks():
    "Every lock that hangs on an object or in a module of ours."
    ours = [found for found in gc.get_objects() if "pagetimer_wsgi" in str(type(found).__module__)]
    ours += [m for name, m in sys.modules.items() if name.startswith("pagetimer_wsgi")]
    held = [each for one in ours for each in getattr(one, "__dict__", {}).values()]
    held += [one for each in held if isinstance(each, dict) for one in each.values()]
    return [each for each in held if isinstance(each, _thread.LockType)]

assert beat(1) == "204 No Content"
assert call("/page") == "200 OK"
timer.flush(10)
assert migrations._LOCKS
found = [lock for lock in locks() if lock.acquire(timeout=0.5)]  # as if threads held them all
assert len(found) >= 6, found
began = time.monotonic()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    status = beat(2)
    assert call("/page") == "200 OK"
    took = time.monotonic() - began
    figures = timer.parts.spool.health.figures
    os._exit(0 if status.startswith("204") and took < 1 and figures.accepted == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
for lock in found:
    lock.release()
assert beat(3) == "204 No Content"
timer.flush(10)
timer.close()
"""


def test_a_childs_first_beat_is_taken_at_once_though_all_our_locks_were_held(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path)]
    subprocess.run(command, timeout=60, check=True)

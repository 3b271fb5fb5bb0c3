"""Applications that others wrote, each made with a little data of its own, and the examples.

Run as a script it serves one of them on loopback, in a process of its own: Django can be set up
only once in a process, and what others' modules do to theirs is theirs. ::

    python tests/foreign.py NAME FOLDER

It says on which port it listens. A request's header ``X-Side`` says which
way it goes, ``X-User`` who a server in front says is asking. So every side meets the same
application, and the same environ.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

Application = Callable[..., Iterable[bytes]]

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SIDES = ("alone", "wrapped", "validated")
# What is made now would be some seconds old on one page, and a second older on the next.
LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
POEM = """# Tides

The moon <b>pulls</b>, the sea follows & the land waits.
Nobody asked for </head> in a poem; here it is.
"""


def _as_it_is(application: Application) -> Application:
    return application


@dataclass(frozen=True)
class Foreign:
    """One application, as it is without us."""

    application: Application
    options: dict[str, Any] = field(default_factory=dict)
    around: Callable[[Application], Application] = _as_it_is
    """Puts back what stood around the middleware, as a session's."""

    def sides(self) -> dict[str, Application]:
        """Return it alone, wrapped, and wrapped with PEP 3333's checks on both sides of us."""
        from pagetimer_wsgi import PageTimer

        def wrap(application: Application) -> Application:
            return self.around(PageTimer(application, **self.options))

        validated = validator(wrap(validator(self.application)))
        sides = self.around(self.application), wrap(self.application), validated
        return dict(zip(SIDES, sides, strict=True))


def hg_repository(folder: Path) -> Path:
    """Make a repository of three changes, and return where it is."""
    repository = folder / "sea"
    repository.mkdir()
    hg = [sys.executable, "-m", "mercurial", "--cwd", str(repository)]
    plain = os.environ | {"HGRCPATH": ""}
    subprocess.run([*hg, "init"], check=True, env=plain)
    for day, text in enumerate((POEM, POEM * 2, "Calm.\n"), 1):
        (repository / "tides.txt").write_text(text)
        (repository / f"day-{day}.py").write_text(f"DAY = {day}\n")
        commit = ["commit", "-q", "-A", "-u", "ada", "-d", f"2020-01-0{day}", "-m", f"Day <{day}>"]
        subprocess.run([*hg, *commit], check=True, env=plain)
    return repository


def hgweb(folder: Path) -> Foreign:
    """Mercurial's own web face, with a repository."""
    from mercurial.hgweb import hgweb

    return Foreign(hgweb(str(hg_repository(folder)).encode()))


def trac(folder: Path) -> Foreign:
    """An issue tracker with its own wiki, some tickets and a milestone."""
    from trac.admin.console import TracAdmin
    from trac.env import open_environment
    from trac.ticket.model import Ticket
    from trac.util.datefmt import to_utimestamp
    from trac.web.main import dispatch_request

    place = folder / "trac"
    TracAdmin(str(place)).onecmd("initenv Sea sqlite:db/trac.db")
    environment = open_environment(str(place))
    for number in range(1, 5):
        ticket = Ticket(environment)
        ticket["summary"], ticket["reporter"] = f"Leak <{number}> & co.", "ada"
        ticket["description"] = POEM
        ticket["status"], ticket["milestone"] = "new", "milestone1"
        ticket.insert(LONG_AGO)
    environment.db_transaction("UPDATE wiki SET time = %s", (to_utimestamp(LONG_AGO),))

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["trac.env_path"] = str(place)
        return dispatch_request(environ, start_response)

    return Foreign(application)


def git_repository(folder: Path) -> Path:
    """Make a repository of three commits, and return where it is."""
    repository = folder / "sea"
    (repository / "charts").mkdir(parents=True)
    git = ["git", "-C", str(repository), "-c", "user.name=ada", "-c", "user.email=ada@localhost"]
    plain = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    plain |= {f"GIT_{who}_DATE": LONG_AGO.isoformat() for who in ("AUTHOR", "COMMITTER")}
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True, env=plain)
    for day, text in enumerate((POEM, POEM * 2, "Calm.\n"), 1):
        (repository / "README.txt").write_text(text)
        (repository / "charts" / f"day-{day}.py").write_text(f"DAY = {day}\n")
        subprocess.run([*git, "add", "."], check=True, env=plain)
        commit = ["commit", "-q", "-m", f"Day <{day}>"]
        subprocess.run([*git, *commit], check=True, env=plain)
    return repository


def klaus(folder: Path) -> Foreign:
    """A viewer of git repositories, with one."""
    from klaus import make_app

    return Foreign(make_app([str(git_repository(folder))], "Charts"))


def pypiserver(folder: Path) -> Foreign:
    """A package index, with some packages that hold next to nothing."""
    packages = folder / "packages"
    packages.mkdir()
    for name in "anchor", "buoy", "compass":
        for version in "1.0", "1.1":
            _pack(packages / f"{name}-{version}.tar.gz", name, version)

    import pypiserver

    return Foreign(pypiserver.app(roots=[packages], disable_fallback=True))


def _pack(file: Path, name: str, version: str) -> None:
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))


def isso(folder: Path) -> Foreign:
    """A server of comments, with its demonstration and two comments."""
    configuration = folder / "isso.cfg"
    configuration.write_text(f"""
[general]
dbpath = {folder}/comments.db
host = http://127.0.0.1:1/
latest-enabled = true
[admin]
enabled = true
password = lantern
[guard]
enabled = false
""")
    from isso import config, make_app
    from werkzeug.test import Client

    application = make_app(config.load(config.default_file(), str(configuration)))
    for text in POEM, "Calm.":
        comment = {"text": text, "title": "Tides", "author": "ada"}
        answer = Client(application).post("/new?uri=/tides/", json=comment)
        assert answer.status_code == 201, answer.text
    return Foreign(application)


def flask_course(folder: Path) -> Foreign:
    """The example for Flask."""
    sys.path.insert(0, str(_copied(folder, "flask_course")))
    from app import app

    timer = app.wsgi_app
    return Foreign(timer.application, {"identify": timer.settings.identify, "viewers": "ines"})


def django_intranet(folder: Path) -> Foreign:
    """The example for Django."""
    sys.path.insert(0, str(_copied(folder, "django_intranet")))
    from intranet.wsgi import application as timer

    return Foreign(timer.application, {"identify": timer.settings.identify, "viewers": "vera"})


def pyramid_docs(folder: Path) -> Foreign:
    """The example for Pyramid, with Beaker's sessions around it."""
    place = _copied(folder, "pyramid_docs")
    sys.path.insert(0, str(place))
    from paste.deploy import loadapp

    sessions = loadapp(f"config:{place / 'docs.ini'}")
    timer = sessions.wrap_app

    def around(application: Application) -> Application:
        beaker = copy.copy(sessions)
        beaker.app = beaker.wrap_app = application
        return beaker

    options = {"session_key": "beaker.session:id", "identify": timer.settings.identify}
    return Foreign(timer.application, options, around)


def _copied(folder: Path, example: str) -> Path:
    written = shutil.ignore_patterns("__pycache__", "pagetimer-data", "sessions", "*.sqlite3*")
    return Path(shutil.copytree(EXAMPLES / example, folder / example, ignore=written))


MAKERS = (
    hgweb,
    trac,
    klaus,
    pypiserver,
    isso,
    flask_course,
    django_intranet,
    pyramid_docs,
)


def choose(sides: dict[str, Application]) -> Application:
    """Return the application that lets each request say which side answers it."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        user = environ.pop("HTTP_X_USER", None)
        if user:
            environ["REMOTE_USER"] = user
        return sides[environ.pop("HTTP_X_SIDE")](environ, start_response)

    return application


def main(name: str, folder: str) -> None:
    """Serve the application of this name, with its data in the folder, until ended."""
    import waitress

    os.environ |= {"HGRCPATH": "", "PAGETIMER_DATA": str(Path(folder) / "pagetimer-data")}
    make = {maker.__name__: maker for maker in MAKERS}[name]
    with contextlib.redirect_stdout(sys.stderr):  # Trac tells what it makes
        sides = make(Path(folder)).sides()
    gc.freeze()  # Trac collects garbage after each request
    server = waitress.create_server(
        choose(sides), host="127.0.0.1", port=0, threads=1, expose_tracebacks=True
    )
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])

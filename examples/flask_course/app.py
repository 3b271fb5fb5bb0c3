"""An evening course in baking: Flask, with Flask-Login, a handful of templates and a stylesheet.

From a clone::

    python3 -m venv .venv && .venv/bin/pip install . Flask-Login gunicorn
    .venv/bin/gunicorn --workers 2 --chdir examples/flask_course app:app

Then open http://127.0.0.1:8000/ and log in as ``tomasz`` (password ``spelt``), who learns, or as
``ines`` (password ``rye``), who teaches and may look at http://127.0.0.1:8000/_pagetimer/.
"""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from flask_login import LoginManager, UserMixin, login_required, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

import pagetimer_wsgi.flask
from pagetimer_wsgi import PageTimer

LESSONS = {
    "starter": "Flour, water, patience",
    "kneading": "When the dough lets go",
    "oven": "Steam, and then none",
}
PEOPLE = {
    "ines": generate_password_hash("rye"),
    "tomasz": generate_password_hash("spelt"),
}

app = Flask(__name__)
app.secret_key = "known to every reader of this example"
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
login = LoginManager(app)
login.login_view = "log_in"

pagetimer_wsgi.flask.init_app(app)
app.wsgi_app = PageTimer(app.wsgi_app, identify=pagetimer_wsgi.flask.identify, viewers="ines")


class Person(UserMixin):
    """Somebody who takes part; known by name."""

    def __init__(self, name: str) -> None:
        self.id = name


@login.user_loader
def person(name: str) -> Person | None:
    return Person(name) if name in PEOPLE else None


@app.get("/")
def course() -> str:
    return render_template("course.html", lessons=LESSONS)


@app.get("/lesson/<name>/")
@login_required
def lesson(name: str) -> str:
    if name not in LESSONS:
        abort(404)
    following = list(LESSONS)[list(LESSONS).index(name) + 1 :]
    return render_template(
        f"lessons/{name}.html",
        title=LESSONS[name],
        following=following and (following[0], LESSONS[following[0]]),
    )


@app.route("/log-in", methods=["GET", "POST"])
def log_in() -> str | Response | tuple[str, int]:
    if request.method == "GET":
        return render_template("log_in.html")
    name, password = request.form.get("name", ""), request.form.get("password", "")
    if name not in PEOPLE or not check_password_hash(PEOPLE[name], password):
        return render_template("log_in.html", wrong=True), 403
    login_user(Person(name))
    return redirect(url_for("course"))


@app.post("/log-out")
def log_out() -> Response:
    logout_user()
    return redirect(url_for("course"))

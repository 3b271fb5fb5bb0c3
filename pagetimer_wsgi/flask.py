"""The hook for Flask: who is logged in, which session, which route.

::

    pagetimer_wsgi.flask.init_app(app)
    app.wsgi_app = PageTimer(app.wsgi_app, identify=pagetimer_wsgi.flask.identify)

The user is Flask-Login's. An application that logs people in by itself says who it is::

    pagetimer_wsgi.flask.init_app(app, user=lambda: session.get("username"))
"""

from __future__ import annotations

from collections.abc import Callable

import flask

from .who.asking import QUESTION, is_page
from .who.asking import ask_application as identify
from .who.asking import tell as tell_environ

__all__ = ["identify", "init_app"]

User = Callable[[], "str | None"]


def init_app(app: flask.Flask, user: User | None = None) -> None:
    """Let an application say who its pages go to.

    :param user: called within the request's context; gives the user's name, or None.
        Default: the id of Flask-Login's current user
    """
    name = user or (lambda: _flask_login_user(app))

    def answer() -> flask.Response | None:
        question = flask.request.environ.get(QUESTION)
        if question is None:
            return None
        question.update(user=name(), session=_session_id())
        return flask.Response(status=204)

    def tell(sender: flask.Flask, response: flask.Response, **extra: object) -> None:
        if not is_page(response.content_type):
            return
        environ = flask.request.environ
        tell_environ(environ, lambda: (name(), _session_id()))
        if flask.request.url_rule is not None:
            environ["pagetimer.route"] = flask.request.url_rule.rule

    # Before all of the application's own, so that none of its views or checks runs for us.
    app.before_request_funcs.setdefault(None, []).insert(0, answer)
    # Flask has saved the session by then: to look into it adds no Vary and no Set-Cookie.
    flask.request_finished.connect(tell, app, weak=False)


def _flask_login_user(app: flask.Flask) -> str | None:
    if not hasattr(app, "login_manager"):
        return None
    from flask_login import current_user

    return str(current_user.get_id()) if current_user.is_authenticated else None


def _session_id() -> str | None:
    """Return a server-side session's id, else Flask-Login's; a signed cookie has none itself."""
    session = flask.session
    if not session:  # an empty one is not kept
        return None
    return getattr(session, "sid", None) or session.get("_id")

"""The pages of the manual."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import forget, remember
from pyramid.view import forbidden_view_config, view_config

from .people import knows

CHAPTERS = {
    "setting-up": "Setting up",
    "first-light": "First light",
    "care": "Care and storage",
}


@view_config(route_name="contents", renderer="templates/contents.jinja2")
def contents(request: Request) -> dict[str, Any]:
    return {"chapters": CHAPTERS}


@view_config(route_name="chapter", permission="read the manual")
def chapter(request: Request) -> Response:
    name = request.matchdict["name"]
    if name not in CHAPTERS:
        raise HTTPNotFound
    following = list(CHAPTERS)[list(CHAPTERS).index(name) + 1 :]
    known = {"title": CHAPTERS[name], "following": following[:1], "chapters": CHAPTERS}
    return render_to_response(f"templates/{name}.jinja2", known, request)


@view_config(route_name="log_in", request_method="GET", renderer="templates/log_in.jinja2")
def log_in(request: Request) -> dict[str, Any]:
    return {"wrong": False}


@view_config(route_name="log_in", request_method="POST", renderer="templates/log_in.jinja2")
def try_log_in(request: Request) -> dict[str, Any] | Response:
    name = request.POST.get("name", "")
    if not knows(name, request.POST.get("password", "")):
        request.response.status = 403
        return {"wrong": True}
    return HTTPSeeOther(request.route_path("contents"), headers=remember(request, name))


@view_config(route_name="log_out", request_method="POST")
def log_out(request: Request) -> Response:
    return HTTPSeeOther(request.route_path("contents"), headers=forget(request))


@forbidden_view_config()
def ask_to_log_in(request: Request) -> Response:
    return HTTPSeeOther(request.route_path("log_in"))

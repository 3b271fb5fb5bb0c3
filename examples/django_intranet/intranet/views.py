"""The pages of the intranet."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

NOTICES = [
    ("Monday", "The grey crane rests until its rope is changed. Use the green one."),
    ("Sunday", "A seal sleeps on the second slip. Launch from the first; it was there before us."),
    ("Friday", "Fog is forecast. Whoever has the early watch, bring the horn and a warm coat."),
]
CHAPTERS = {"arrivals": "Arrivals", "fog": "Fog", "lost-property": "Lost property"}


def notices(request: HttpRequest) -> HttpResponse:
    return render(request, "notices.html", {"notices": NOTICES, "chapters": CHAPTERS})


@login_required
def handbook(request: HttpRequest, chapter: str) -> HttpResponse:
    if chapter not in CHAPTERS:
        raise Http404
    return render(
        request,
        f"handbook/{chapter}.html",
        {"title": CHAPTERS[chapter], "chapters": CHAPTERS, "chapter": chapter},
    )

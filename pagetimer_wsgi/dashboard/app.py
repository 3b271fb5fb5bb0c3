"""``Dashboard``: which answer each address gets, and the headers that all of them have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from webob import Request, Response

from ..errors import StoreAway
from ..reports.export import export_csv
from ..reports.formats import as_csv, report_heads, report_json, report_row
from ..reports.questions import REPORTS, Period, Questions
from ..stores.base import Store
from ..who.sources import Pair

_LINES = 200  # of an export that go out at once
_RETRY_AFTER = 10
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Dashboard:
    """What viewers see: the page, the reports' figures, the export.

    :param time_zone: IANA name of the zone in which days begin
    :param has_password: whether there is a viewers' password to ask for
    """

    def __init__(self, store: Store, time_zone: str, has_password: bool) -> None:
        self._store = store
        self._time_zone = time_zone
        self._has_password = has_password

    def answer(self, request: Request, path: str, opens: bool, you: Pair) -> Response:
        """Return the answer to a request.

        :param path: what follows the prefix: ``/``, ``/api/report`` or ``/api/export``
        :param opens: whether who asks is a viewer
        :param you: user and session (its keyed hash) of who asks
        """
        if not opens:
            response = self._closed(path)
        elif path == "/":
            response = self._page(request, you)
        else:
            response = self._figures(request, path)
        response.headers.update(_HEADERS)
        return response

    def _closed(self, path: str) -> Response:
        """Ask for the password (RFC 7617), or say who may look where there is none."""
        status = 401 if self._has_password else 403
        if path == "/":
            from .page import refusal

            response = _html(refusal(self._has_password), status)
        else:
            reason = "These figures are for viewers: see the options viewers and viewer_token."
            response = Response(json_body={"error": reason}, status=status)
        if self._has_password:
            response.headers["WWW-Authenticate"] = 'Basic realm="pagetimer", charset="UTF-8"'
        return response

    def _page(self, request: Request, you: Pair) -> Response:
        from .page import render

        problem = ""
        try:
            report, period = self._asked(_parameters(request))
        except ValueError as error:
            report, period = self._asked({})  # the page as it is by itself
            problem = f"This cannot be shown: {error}."
        html = render(self._store, report, period, you, problem)
        return _html(html, 400 if problem else 200)

    def _figures(self, request: Request, path: str) -> Response:
        try:
            parameters = _parameters(request)
            report, period = self._asked(parameters)
            questions = Questions(self._store, period)
            if path == "/api/export":
                return _export(questions, period)
            return _report(questions, report, period, parameters.get("format") or "json")
        except ValueError as error:
            return Response(json_body={"error": str(error)}, status=400)
        except StoreAway as error:
            reason = f"The store cannot be asked now: {error}"
            return Response(json_body={"error": reason}, status=503, retry_after=_RETRY_AFTER)

    def _asked(self, parameters: Mapping[str, str]) -> tuple[str, Period]:
        """Return the report and the period that the address asks for.

        :raises ValueError: with what is wrong
        """
        report = parameters.get("by") or "page"
        if report not in REPORTS:
            raise ValueError(f"by: one of {', '.join(REPORTS)} is needed, not {report[:40]!r}")
        first, last = parameters.get("from"), parameters.get("to")
        try:
            period = Period.of(first, last, self._time_zone)
            period.query()
        except OverflowError:
            raise ValueError("from and to: the calendar does not reach so far") from None
        return report, period


def _parameters(request: Request) -> Mapping[str, str]:
    try:
        return dict(request.GET)
    except UnicodeDecodeError:
        raise ValueError("the parameters are not UTF-8") from None


def _html(text: str, status: int) -> Response:
    from .page import POLICY

    response = Response(text.encode(), status, content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _report(questions: Questions, report: str, period: Period, form: str) -> Response:
    by = REPORTS[report]
    if form not in ("json", "csv"):
        raise ValueError(f"format: json or csv is needed, not {form[:40]!r}")
    rows = questions.totals(report)
    if form == "json":
        text = report_json(by, rows)
        return Response(text.encode(), content_type="application/json", charset="utf-8")
    lines = as_csv(report_heads(by), map(report_row, rows))
    return _download(lines, f"pagetimer-by-{report}", period)


def _export(questions: Questions, period: Period) -> Response:
    lines = export_csv(questions.page_views())
    # The first row is read now, while a store that is away can still be told from no rows.
    begun = list(islice(lines, 2))
    return _download(chain(begun, lines), "pagetimer", period)


def _download(lines: Iterable[str], name: str, period: Period) -> Response:
    file = f"{name}-{period.first}-{period.last}.csv"
    return Response(
        app_iter=_chunks(iter(lines)),
        content_type="text/csv",
        charset="utf-8",
        content_disposition=f'attachment; filename="{file}"',
    )


def _chunks(lines: Iterator[str]) -> Iterator[bytes]:
    while some := list(islice(lines, _LINES)):
        yield "".join(some).encode()

"""What the frameworks test of themselves holds as well with PageTimer around what they call.

From the source distribution of the very version that is installed, those of its tests that drive
whole WSGI applications are run four times, as two pairs (see ``wrapping.py``):

- as it is: alone, and inside us with a user, so that every whole page gets a token;
- headed: inside ``wsgiref.validate`` and with a head before every HTML answer, so that fragments
  are pages too; and the same with us, and a second validator outside us.

Left out are tests that call no application of theirs in this process, among them Werkzeug's of
its development server, and of Django's most that are not about requests and answers.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import require
from wrapping import Report

WRAPPING = Path(__file__).with_name("wrapping.py")
PAIRS = {
    "as it is": ("", "timed-with-token"),
    "headed": ("validated headed validated bare", "validated headed timed validated bare"),
}
# What the frameworks' tests need beyond ours. Flask's read a private name that pytest 9 lacks.
REQUIREMENTS = (
    "pytest<9",
    "pytest-timeout",
    "WebTest",
    "beautifulsoup4",
    "ephemeral-port-reserve",
    "soupsieve",
    "zope.component",
    "zope.event",
    "zope.hookable",
)
PYTEST = ("-m", "pytest", "-q", "-p", "wrapping", "-p", "pytest_timeout", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Suite:
    """A framework's tests.

    :param clients: whose calls are caught, see ``wrapping.py``
    :param command: what Python runs
    :param passed: how many tests pass at the least without us
    :param pages: how many pages get the tag at the least: as it is, and headed
    :param folder: where it is run, in the source distribution
    """

    clients: str
    command: tuple[str, ...]
    passed: int
    pages: tuple[int, int]
    folder: str = "."


SUITES = {
    "Flask": Suite("werkzeug", (*PYTEST, "tests"), 450, (50, 300)),
    "Werkzeug": Suite(
        "werkzeug",
        (
            *PYTEST,
            "tests/middleware",
            "tests/test_debug.py",
            "tests/test_exceptions.py",
            "tests/test_formparser.py",
            "tests/test_send_file.py",
            "tests/test_test.py",
            "tests/test_wrappers.py",
            "tests/test_wsgi.py",
        ),
        250,
        (2, 2),
    ),
    "WebOb": Suite(
        "webob wsgiref",
        (
            *PYTEST,
            "tests/test_client.py",
            "tests/test_client_functional.py",
            "tests/test_dec.py",
            "tests/test_exc.py",
            "tests/test_in_wsgiref.py",
            "tests/test_request.py",
            "tests/test_response.py",
            "tests/test_static.py",
        ),
        500,
        (0, 20),
    ),
    "pyramid": Suite(
        "webob",
        (
            *PYTEST,
            "tests/test_integration.py",
            "tests/test_scripts/test_prequest.py",
            # It counts all objects of the process, and another thread's come and go.
            "--deselect=tests/test_integration.py::MemoryLeaksTest::test_memory_leaks",
        ),
        130,
        (15, 70),
    ),
    "Django": Suite(
        "django wsgiref",
        (
            "{wrapping}",
            "runtests.py",
            "--parallel=1",
            "--verbosity=0",
            "auth_tests.test_views",
            "builtin_server",
            "cache.tests.CacheHEADTest",
            "cache.tests.CacheMiddlewareTest",
            "cache.tests.TestWithTemplateResponse",
            "conditional_processing",
            "csrf_tests",
            "file_uploads",
            "flatpages_tests",
            "generic_views",
            "handlers",
            "i18n.patterns",
            "messages_tests",
            "middleware",
            "middleware_exceptions",
            "requests_tests",
            "responses",
            "servers",
            "sessions_tests",
            "shortcuts",
            "sitemaps_tests",
            "staticfiles_tests",
            "syndication_tests",
            "test_client",
            "test_client_regress",
            "view_tests",
            "wsgi",
        ),
        1800,
        (250, 500),
        folder="tests",
    ),
}

_RESPONSE = "tests/test_response.py::test_"
_STATIC = "tests/test_integration.py::TestStatic"
_HANDLERS = "handlers.test_exception.ExceptionHandlerTests.test_data_upload_max"
_MIDDLEWARE = "middleware_exceptions.tests.MiddlewareTests.test_"

# Each test that fails with us and not without, by the reason why it must.
DIFFERENT: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("WebOb", "as it is"): {
        "HEAD is answered without Content-Length": (f"{_RESPONSE}content_length",)
    },
    ("WebOb", "headed"): {
        "HEAD is answered without Content-Length": (f"{_RESPONSE}content_length",)
    },
    ("pyramid", "as it is"): {
        "compares the bytes of a whole page": (
            f"{_STATIC}AppUsingAbsPath::test_directory_withslash",
            f"{_STATIC}AppUsingAbsPath::test_file_in_subdir",
            f"{_STATIC}AppUsingAbsPath::test_highchars_in_filename",
            f"{_STATIC}AppUsingAbsPath::test_highchars_in_pathelement",
            f"{_STATIC}AppUsingAbsPath::test_range_multiple",
            f"{_STATIC}AppUsingAbsPath::test_range_notbytes",
            f"{_STATIC}AppUsingAssetSpec::test_directory_withslash",
            f"{_STATIC}AppUsingAssetSpec::test_file_in_subdir",
            f"{_STATIC}AppUsingAssetSpec::test_highchars_in_filename",
            f"{_STATIC}AppUsingAssetSpec::test_highchars_in_pathelement",
            f"{_STATIC}AppUsingAssetSpec::test_range_multiple",
            f"{_STATIC}AppUsingAssetSpec::test_range_notbytes",
            f"{_STATIC}AppWithEncodings::test_accept_gzip_returns_identity",
            f"{_STATIC}AppWithEncodings::test_no_accept",
            f"{_STATIC}AppWithEncodings::test_unsupported_accept",
            f"{_STATIC}AppWithRoutePrefix::test_includelevel2",
            f"{_STATIC}PermApp::test_allowed",
            f"{_STATIC}PermApp::test_allowed_via_acl_global_root_factory",
            f"{_STATIC}PermApp::test_allowed_via_acl_local_root_factory",
        ),
        "compares the bytes of a page in gzip": (f"{_STATIC}AppWithEncodings::test_accept_gzip",),
    },
    ("pyramid", "headed"): {
        "compares the bytes of a page in gzip": (f"{_STATIC}AppWithEncodings::test_accept_gzip",)
    },
    ("Django", "as it is"): {
        "compares a page with one that was written down inside us": (
            f"{_MIDDLEWARE}exception_in_middleware_converted_before_prior_middleware",
            f"{_MIDDLEWARE}view_exception_converted_before_middleware",
        ),
        "takes what the application returns for Django's response object": (
            f"{_HANDLERS}_memory_size_exceeded",
            f"{_HANDLERS}_number_fields_exceeded",
            f"{_HANDLERS}_number_files_exceeded",
            "handlers.tests.HandlerTests.test_bad_path_info",
            "handlers.tests.HandlerTests.test_invalid_multipart_boundary",
        ),
        "looks at a page's headers before it has asked for its first chunk": (
            "handlers.tests.HandlerRequestTests.test_handle_accepts_httpstatus_enum_value",
            "wsgi.tests.WSGITest.test_get_wsgi_application",
        ),
    },
}

# Tests with text in a body, which PEP 3333 knows nothing of: we say so, and let it through.
BODIES_OF_TEXT = {
    "WebOb": (
        f"{_RESPONSE}conditional_response_if_modified_since_true",
        f"{_RESPONSE}conditional_response_if_none_match_false",
        f"{_RESPONSE}cookies",
        f"{_RESPONSE}response",
        f"{_RESPONSE}set_response_status_bad",
        f"{_RESPONSE}set_response_status_binary",
        f"{_RESPONSE}set_response_status_code",
        f"{_RESPONSE}set_response_status_code_generic_reason",
        f"{_RESPONSE}set_response_status_str_generic_reason",
        f"{_RESPONSE}set_response_status_str_no_reason",
    )
}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin, and with what the frameworks' tests need beyond ours."""
    folder = tmp_path_factory.mktemp("libraries")
    pip("install", "--no-deps", "--target", str(folder), *REQUIREMENTS)
    shutil.copy(WRAPPING, folder)
    return folder


def pip(*words: str) -> None:
    """Run pip; skip the test where it cannot get what it is asked for."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    require(done.returncode == 0, f"pip {words[0]}: {done.stderr.strip()[-300:]}")


@pytest.fixture(scope="module", params=SUITES)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param


@pytest.fixture(scope="module")
def reports(
    name: str, libraries: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Report]:
    """Layers -> what the framework's tests gave inside them; two runs at a time."""
    folder = tmp_path_factory.mktemp(name)
    source = unpacked(name, folder)
    layers = [each for pair in PAIRS.values() for each in pair]
    # A copy each: some tests write beside themselves.
    copies = [shutil.copytree(source, folder / f"run-{number}") for number in range(len(layers))]
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(
            lambda words, copy: run(SUITES[name], words, copy, libraries), layers, copies
        )
        return dict(zip(layers, done, strict=True))


def unpacked(name: str, folder: Path) -> Path:
    """Return the source distribution of the framework's installed version."""
    wanted = f"{name}=={importlib.metadata.version(name)}"
    pip("download", "--no-deps", "--no-binary", name, "--dest", str(folder), wanted)
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", str(archive)], cwd=folder, check=True)
    return folder / archive.name.removesuffix(".tar.gz")


def run(suite: Suite, layers: str, folder: Path, libraries: Path) -> Report:
    """Return what the tests gave inside the layers."""
    report = folder / "report.json"
    command = [word.format(wrapping=libraries / WRAPPING.name) for word in suite.command]
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PAGETIMER_", "PYTEST_", "COV"))
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder / suite.folder,
        env={
            **inherited,
            "PYTHONPATH": str(libraries),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "WRAPPING_CLIENTS": suite.clients,
            "WRAPPING_LAYERS": layers,
            "WRAPPING_REPORT": str(report),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert report.exists(), done.stdout[-3000:]
    # Some names hold the folder.
    return Report(**json.loads(report.read_text().replace(str(folder), ".")))


@pytest.mark.parametrize("pair", PAIRS)
def test_each_test_gives_the_same_with_us_and_without(
    name: str, pair: str, reports: dict[str, Report]
) -> None:
    without, within = (reports[layers].outcomes for layers in PAIRS[pair])
    different = {
        test: (without.get(test), within.get(test))
        for test in sorted({*without, *within})
        if without.get(test) != within.get(test)
    }
    expected = DIFFERENT.get((name, pair), {}).values()
    assert different == {
        test: ("passed", "failed") for tests in expected for test in tests if test in without
    }


def test_enough_tests_ran_and_enough_pages_got_the_tag(
    name: str, reports: dict[str, Report]
) -> None:
    suite = SUITES[name]
    for (without, within), pages in zip(PAIRS.values(), suite.pages, strict=True):
        passed = list(reports[without].outcomes.values()).count("passed")
        assert passed >= suite.passed
        assert "not collected" not in reports[without].outcomes.values()
        assert reports[without].pages == 0
        assert reports[within].pages >= pages
        assert reports[within].answers >= 100


def test_no_error_of_ours_is_behind_it(name: str, reports: dict[str, Report]) -> None:
    there = reports[""].outcomes
    assert {test for report in reports.values() for test, _ in report.said} == {
        test for test in BODIES_OF_TEXT.get(name, ()) if test in there
    }

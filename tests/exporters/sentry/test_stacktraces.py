from __future__ import annotations

import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.exporters.sentry.stacktraces import ParsedException, bounded, parse, split_type
from tests.support import recordings

V8 = """TypeError: Cannot read properties of undefined (reading 'id')
    at declineCard (/app/src/shop.js:32:9)
    at async Promise.all (index 0)
    at new Order (file:///app/src/order.mjs:4:1)
    at /app/src/main.js:20:5
    at eval (eval at run (/app/src/run.js:1:2), <anonymous>:1:1)
    at process.processTicksAndRejections (node:internal/process/task_queues:103:5)
    at next (/app/node_modules/express/lib/router.js:7:3) {
  [cause]: Error: card declined
      at charge (/app/src/bank.js:3:4)
}"""
FIREFOX = """declineCard@https://shop.example/app.js:32:9
async*pay@https://shop.example/app.js:40:1
@https://shop.example/app.js:51:2"""
PKG_ERRORS = """no price
main.price
\t/srv/app/price.go:14
main.main
\t/srv/app/main.go:9
runtime.main
\t/usr/local/go/src/runtime/proc.go:283"""
AGGREGATE = """System.AggregateException: One or more errors occurred. (a) (b)
 ---> System.InvalidOperationException: a
   at Shop.A.Run() in /src/A.cs:line 3
   --- End of inner exception stack trace ---
   at System.Threading.Tasks.Task.WaitAll()
 ---> (Inner Exception #1) System.ArgumentException: b
   at Shop.B..ctor(String name) in /src/B.cs:line 4<---
"""


def functions(exception: ParsedException) -> list[str]:
    return [frame["function"] for frame in exception.frames]


def parsed(text: str, platform: str = "other") -> ParsedException:
    exception = parse(text, platform)
    assert exception is not None
    return exception


def raised(function: object) -> str:
    try:
        function()  # type: ignore[operator]
    except (Exception, ExceptionGroup):  # noqa: BLE001 # whatever it is that is raised is what is wanted
        return traceback.format_exc()
    raise AssertionError


def outer_chain() -> None:
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("two\nlines") from error


def outer_context() -> None:
    try:
        {}["missing"]
    except KeyError:
        raise RuntimeError("while handling")  # noqa: B904


def outer_group() -> None:
    try:
        raise ExceptionGroup("inner", [TypeError("t")])
    except ExceptionGroup as inner:
        raise ExceptionGroup("outer", [ValueError("v"), inner]) from None


def test_python_frames_are_oldest_first_with_their_source() -> None:
    exception = parsed(raised(lambda: int("x")))
    assert (exception.type, exception.platform) == ("ValueError", "python")
    assert exception.value == "invalid literal for int() with base 10: 'x'"
    assert functions(exception) == ["raised", "<lambda>"]
    assert exception.frames[-1]["filename"] == __file__
    assert 'int("x")' in exception.frames[-1]["context_line"]
    assert all(frame["in_app"] for frame in exception.frames)


def test_python_causes_are_linked() -> None:
    exception = parsed(raised(outer_chain))
    assert (exception.type, exception.value) == ("ValueError", "two\nlines")
    ((relation, cause),) = exception.causes
    assert (relation, cause.type, cause.value) == ("__cause__", "KeyError", "'missing'")
    ((relation, _),) = parsed(raised(outer_context)).causes
    assert relation == "__context__"


def test_python_groups_hold_their_members() -> None:
    exception = parsed(raised(outer_group))
    assert (exception.type, exception.is_group) == ("ExceptionGroup", True)
    assert exception.value == "outer (2 sub-exceptions)"
    assert [(relation, member.type) for relation, member in exception.causes] == [
        ("exceptions[0]", "ValueError"),
        ("exceptions[1]", "ExceptionGroup"),
    ]
    assert exception.causes[1][1].causes[0][1].type == "TypeError"


def test_a_python_recursion_keeps_both_ends_and_its_error() -> None:
    def recurse(depth: int) -> None:
        recurse(depth + 1)

    limit = sys.getrecursionlimit()
    text = raised(lambda: recurse(0))
    lines = text.splitlines()
    grown = "\n".join([*lines[:3], *(['  File "a.py", line 1, in recurse', "    recurse()"] * limit), lines[-1]])
    exception = parsed(grown)
    assert exception.type == "RecursionError"
    assert len(bounded(exception.frames)) == 250


def test_python_libraries_are_not_the_application() -> None:
    text = 'Traceback (most recent call last):\n  File "/venv/lib/python3.12/site-packages/x.py", line 1, in f\nE: m'
    assert parsed(text).frames[0]["in_app"] is False


def test_v8_frames_and_causes() -> None:
    exception = parsed(V8)
    assert (exception.type, exception.value) == ("TypeError", "Cannot read properties of undefined (reading 'id')")
    assert functions(exception) == [
        "next",
        "process.processTicksAndRejections",
        "eval",
        "?",
        "new Order",
        "Promise.all",
        "declineCard",
    ]
    newest = exception.frames[-1]
    assert (newest["filename"], newest["lineno"], newest["colno"]) == ("/app/src/shop.js", 32, 9)
    assert [frame["in_app"] for frame in exception.frames[:2]] == [False, False]
    ((relation, cause),) = exception.causes
    assert (relation, cause.type, cause.value) == ("cause", "Error", "card declined")
    assert functions(cause) == ["charge"]


def test_firefox_frames() -> None:
    exception = parsed(FIREFOX, "javascript")
    assert functions(exception) == ["?", "async*pay", "declineCard"]
    assert exception.frames[-1]["lineno"] == 32


def test_java_puts_elided_frames_back() -> None:
    exception = parsed(recordings.stacktraces()["java"])
    assert exception.type == "java.util.concurrent.ExecutionException"
    ((_, declined),) = exception.causes
    ((_, io),) = declined.causes
    assert io.value == "no price for: coffee\n\tat first sight this looks like a frame"
    assert functions(io)[:2] == ["run", "run"]
    assert functions(io)[-1] == "charge"
    ((relation, suppressed),) = io.causes
    assert (relation, suppressed.type) == ("suppressed", "java.lang.IllegalStateException")
    assert len(suppressed.frames) == 6
    assert [frame["in_app"] for frame in exception.frames] == [True, False, False]


def test_go_drops_the_frames_of_the_recorder() -> None:
    exception = parsed(recordings.stacktraces()["go-error"])
    assert functions(exception)[-1] == "recordError"
    panic = parsed(recordings.stacktraces()["go-panic"])
    assert functions(panic)[-2:] == ["(*cart).item", "panic"]
    assert panic.frames[-2]["lineno"] == 19
    assert panic.frames[-1]["in_app"] is False


def test_go_errors_with_a_stack_of_their_own() -> None:
    exception = parsed(PKG_ERRORS)
    assert functions(exception) == ["main", "main", "price"]
    assert exception.frames[0]["in_app"] is False


def test_only_the_goroutine_that_failed_counts() -> None:
    first = "panic: boom\n\ngoroutine 1 [running]:\nmain.a()\n\t/a.go:1 +0x1\n"
    text = f"{first}\ngoroutine 2 [sleep]:\nmain.b()\n\t/b.go:2 +0x1\n"
    exception = parsed(text)
    assert (exception.type, exception.value, functions(exception)) == ("panic", "boom", ["a"])


def test_dotnet_inner_exceptions() -> None:
    exception = parsed(recordings.stacktraces()["dotnet"])
    assert [one.type for one, _, _ in exception.walk()] == [
        "System.InvalidOperationException",
        "System.Net.Http.HttpRequestException",
        "System.Net.Sockets.SocketException",
    ]
    newest = exception.frames[-1]
    assert (newest["module"], newest["function"], newest["lineno"]) == ("Shop.Checkout", "PayAsync", 42)
    assert exception.frames[0]["in_app"] is False


def test_dotnet_aggregates() -> None:
    exception = parsed(AGGREGATE)
    assert exception.is_group
    assert [member.type for _, member in exception.causes] == [
        "System.InvalidOperationException",
        "System.ArgumentException",
    ]
    constructor = exception.causes[1][1].frames[0]
    assert (constructor["module"], constructor["function"]) == ("Shop.B", ".ctor")


@pytest.mark.parametrize(
    "text", ["", "boom", "at the end\nof the day", "Error: at a (b)\n", "File x, line 3", "\x00" * 100]
)
def test_what_has_no_frame_is_no_stack(text: str) -> None:
    assert parse(text, "python") is None


@pytest.mark.parametrize("platform", ["python", "java", "node", "javascript", "go", "csharp", "other", "ruby"])
def test_the_text_decides_where_the_platform_is_wrong(platform: str) -> None:
    for name, text in recordings.stacktraces().items():
        assert parsed(text, platform).platform == {"java": "java", "dotnet": "csharp"}.get(name, "go")
    assert parsed(V8, platform).platform == "node"


def test_types_are_split_from_their_modules() -> None:
    assert split_type("shop.orders.OutOfStock") == ("OutOfStock", "shop.orders")
    assert split_type("Error") == ("Error", None)
    assert split_type("502. Bad") == ("502. Bad", None)


def test_a_loop_of_causes_ends() -> None:
    text = "E: m\n\tat a.B.c(B.java:1)\n" + "Caused by: E: m\n\tat a.B.c(B.java:1)\n" * 5000
    assert len(list(parsed(text).walk())) == 50


LINES = st.sampled_from(
    [
        line
        for text in (*recordings.stacktraces().values(), V8, FIREFOX, PKG_ERRORS, AGGREGATE)
        for line in text.splitlines()
    ]
    + raised(outer_group).splitlines()
    + raised(outer_chain).splitlines()
) | st.text(max_size=40)


@given(st.lists(LINES, max_size=30), st.sampled_from(["python", "java", "node", "go", "csharp", "other"]))
def test_any_mixture_of_lines_is_parsed_or_refused(lines: list[str], platform: str) -> None:
    exception = parse("\n".join(lines), platform)
    assert exception is None or list(exception.walk())


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "attack",
    [
        "at " + " (" * 250,
        "at a (eval at " * 35,
        "a.b) in " * 60,
        "at " + ":1" * 240 + "x",
        '  File "' + "x" * 480,
        " " * 500,
    ],
)
def test_lines_made_to_be_slow_are_not(attack: str) -> None:
    assert parse("\n".join([attack] * 1500), "other") is None

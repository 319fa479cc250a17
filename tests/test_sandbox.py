"""The sandbox holds: a parser that hangs, bloats, dies or talks costs one document."""

import ctypes
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.sandbox import Limits, Sandbox, borrow, dismiss, rest

LIMITS = Limits(seconds=0.5, memory_mb=1024)


def misbehave(item):
    """Runs in the child."""
    match item:
        case "hang":
            while True:
                pass
        case "bloat":
            return len(bytearray(8 << 30))
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "print":
            print("noise" * 100_000)
            os.write(1, b"more noise")
            return "quiet"
        case "raise":
            raise ValueError("first line\nsecond line")
        case "import":
            import nothing_of_that_name  # noqa: F401
        case "recurse":
            return misbehave(item)
        case "needs more":
            return len(bytearray(1200 << 20))
        case "pid":
            return os.getpid()
    return item


@pytest.fixture
def box():
    with Sandbox("tests.test_sandbox:misbehave", LIMITS) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("hang", "time_limit"),
        ("bloat", "memory_limit"),
        ("die", "parser_crash"),
        ("segfault", "parser_crash"),
        ("raise", "parser_error"),
        ("recurse", "parser_error"),
    ],
)
def test_each_way_to_fail_costs_one_document_and_names_its_reason(box, item, error):
    assert box.call("before").value == "before"
    outcome = box.call(item)
    assert outcome.error == error
    assert outcome.detail
    assert "\n" not in outcome.detail
    assert box.call("after").value == "after"


def test_a_broken_installation_is_not_blamed_on_the_document(box):
    with pytest.raises(RuntimeError, match="nothing_of_that_name"):
        box.call("import")


def test_what_parsers_print_does_not_mix_with_answers(box):
    assert box.call("print").value == "quiet"


def test_the_ladder_gives_more_memory_before_it_gives_up(box):
    assert box.call("needs more", seconds=30).value == 1200 << 20


def test_large_payloads_go_through(box):
    page = b"x" * 50_000_000
    assert box.call(page).value == page


def test_a_child_is_recycled(box):
    first = box.call("pid").value
    box.limits = Limits(seconds=0.5, memory_mb=1024, recycle_after=1)
    assert box.call("pid").value != first


def test_a_function_that_does_not_exist_is_told_at_once():
    with (
        Sandbox("tests.test_sandbox:nothing", LIMITS) as sandbox,
        pytest.raises(RuntimeError, match="nothing"),
    ):
        sandbox.call("x")


def test_the_child_dies_with_its_parent():
    script = (
        "import time\n"
        "from pipeline.sandbox import Limits, Sandbox, borrow, dismiss, rest\n"
        "box = Sandbox('tests.test_sandbox:misbehave', Limits(seconds=60))\n"
        "print(box.call('pid').value, flush=True)\n"
        "box.call('hang')\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(child)


def test_a_child_rests_for_the_next_who_borrows_and_at_most_one_does():
    first = borrow("tests.test_sandbox:misbehave", LIMITS)
    child = psutil.Process(first.call("pid").value)
    rest(first)
    again = borrow("tests.test_sandbox:misbehave", LIMITS)
    assert again.call("pid").value == child.pid
    other = borrow("tests.test_sandbox:misbehave", Limits(seconds=0.6, memory_mb=1024))
    assert other.call("pid").value != child.pid
    rest(again)
    rest(other)
    assert not child.is_running()
    dismiss()
    assert not borrow("tests.test_sandbox:misbehave", LIMITS).cpu_seconds

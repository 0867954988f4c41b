"""The demo from start to end: daemon, application, decisions, report."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from otelbridge.cli.demo import child, orders, outage, pool, provider
from otelbridge.cli.demo.application import MODELS, Chatbot, InvalidRatingError, chatbot
from otelbridge.cli.demo.database import filled_engine
from otelbridge.cli.demo.outcome import Balance, read_balance, read_stored
from otelbridge.cli.demo.report import Shown, broken_promises, report
from otelbridge.cli.demo.telemetry import Telemetry, exporting
from otelbridge.core.errors import CannotStart
from otelbridge.exporters.local_store import envelopes

OK, FAILED = 0, 1
USERS = ("ada", "grace", "edsger")
ROUNDS = 2  # of one question to each model by each user
UNINTERESTING = 200  # enough that a tenth of them is a number one can see
PROFILE_EVERY = 4  # of the uninteresting requests, this one looks at a profile
SETTLE_SECONDS = 15.0  # a trace is decided half a second after its root; the rest is room for a busy machine
POLL_SECONDS = 0.1
PIPELINES = ("traces", "metrics")  # of the default configuration


def tell(*, keep: bool) -> int:
    """Run the demo; returns the exit code. Raises CannotStart when the daemon does not run or gets no spans."""
    folder = Path(tempfile.mkdtemp(prefix="otelbridge-demo-"))
    try:
        return _tell(folder, keep=keep)
    finally:
        if keep:
            _say(f"\nKept: {folder} (data/*/local_store has the envelopes, daemon.log the daemon's log)")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _tell(folder: Path, *, keep: bool) -> int:
    began = time.monotonic()
    _say("Starting otelbridge with its default configuration, on free ports and in a temporary folder")
    with child.running(folder) as daemon:
        daemon.wait_until_ready()
        at = daemon.addresses
        _say(f"  ready: OTLP/gRPC on {at.grpc}, OTLP/HTTP on {at.http}, metrics on {at.admin}")
        with provider.serving() as stand_in, exporting(at.grpc, at.http) as telemetry:
            _replay(daemon, telemetry)
            with chatbot(telemetry, filled_engine(), stand_in.url) as application:
                _drive(application)
            _say(f"Waiting for otelbridge to decide about {telemetry.ended_spans} spans")
            balance = _settled(daemon, telemetry)
            sent, bill = telemetry.ended_spans, tuple(stand_in.bill)
        _say("Stopping otelbridge")
        if daemon.stop() != 0:
            raise CannotStart(daemon.trouble("the daemon did not end well"))
        stored = read_stored(one for pipeline in PIPELINES for one in envelopes(str(daemon.data / pipeline)))
    shown = Shown(sent, balance, stored, bill, time.monotonic() - began)
    _say("\n" + "\n".join(report(shown, kept_folder=keep)))
    broken = broken_promises(shown)
    if broken:
        _say("\n" + daemon.trouble("The demo failed: " + "; ".join(broken)))
    return FAILED if broken else OK


def _drive(application: Chatbot) -> None:
    """The requests of a few users, the mistakes among them."""
    _say(f"Chatting: {len(USERS)} users, {len(MODELS)} models, OpenAI's client against a stand-in of its API")
    for turn in range(ROUNDS):
        for user in USERS:
            for model in MODELS:
                application.chat(user, model, f"Question {turn + 1} of {user}: where is my parcel?")
    _say("Listing conversations: an ORM that loads the messages of each by a query of its own")
    application.conversations("ada")
    _say("Searching: a query that takes more than half a second")
    application.search("grace", "parcel")
    _say("Rating an answer with a word: an exception that nobody catches")
    with suppress(InvalidRatingError):
        application.rate("edsger", "eleven")
    _say(f"Sending {UNINTERESTING} requests that nobody needs to see")
    for number in range(UNINTERESTING):
        if number % PROFILE_EVERY:
            application.health()
        else:
            application.profile(USERS[number % len(USERS)])


def _replay(daemon: child.Child, telemetry: Telemetry) -> None:
    """The hours of the other service. The daemon keeps up or makes the SDK wait; nothing here is timed."""
    hours, requests = orders.MINUTES // 60, orders.MINUTES * orders.REQUESTS_PER_MINUTE
    failing, spike = ", ".join(outage.SERVICES), orders.SPIKE
    _say(f"Replaying the last {hours} hours of other services: {requests:,} requests of `{orders.SERVICE}`")
    for minute, what in (
        (outage.BEGINS + outage.FAILING.start, f"{failing} fail for {len(outage.FAILING)} minutes"),
        (pool.LEAKS_FROM, "its pool loses a connection every few minutes, as its metrics say"),
        (orders.SLOWER_FROM, f"its queries take {orders.SLOWER_BY - 1:.0%} longer"),
        (spike.start, f"one of its requests in {1 / orders.SPIKE_RATE:.0f} fails for {len(spike)} minutes"),
    ):
        _say(f"  after {minute // 60} h {minute % 60} min {what}")
    now_ns = time.time_ns()
    if not telemetry.report_pool(now_ns):
        raise CannotStart(daemon.trouble("the metrics could not be sent"))
    # Who calls whom is known once traces are decided, and what was earlier must come earlier, or it is too late.
    outage.replay(telemetry.failing, now_ns, range(outage.FAILING.start))
    _settled(daemon, telemetry)
    outage.replay(telemetry.failing, now_ns, range(outage.FAILING.start, outage.MINUTES))
    _flush(daemon, telemetry)
    orders.replay(telemetry.orders, now_ns)
    _flush(daemon, telemetry)


def _flush(daemon: child.Child, telemetry: Telemetry) -> None:
    if not telemetry.flush():
        raise CannotStart(daemon.trouble("the spans could not be sent"))


def _settled(daemon: child.Child, telemetry: Telemetry) -> Balance:
    """The balance when all spans are received, decided and delivered, or when there was time enough for it."""
    _flush(daemon, telemetry)
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        exposition = daemon.ask("/metrics")
        if exposition is None:
            raise CannotStart(daemon.trouble("the daemon does not answer any more"))
        balance = read_balance(exposition)
        # Metrics are read while the pipeline works: in the middle of a decision its spans are in no count yet.
        is_settled = balance.received >= telemetry.ended_spans and not balance.held and not balance.waiting
        is_settled = is_settled and balance.is_even and balance.points >= pool.POINTS
        if is_settled or time.monotonic() > deadline:
            return balance
        time.sleep(POLL_SECONDS)


def _say(text: str) -> None:
    print(text, flush=True)

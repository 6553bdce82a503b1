"""Connections that send nothing, too slowly or without an end never keep the page from others."""

import asyncio
import contextlib
import socket
import threading
from types import SimpleNamespace

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.gate import connections, received, turns
from app.gate.connections import BoundedConnection
from app.gate.received import bounded, read_whole
from app.gate.refusal import Refused
from app.gate.turns import Turns

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(scope, receive, send):
    """An app that answers at once."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})


class Transport:
    """As much of a transport as a connection uses, and what became of it."""

    def __init__(self):
        self.written, self.closed = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def get_extra_info(self, name, default=None):
        return default

    def pause_reading(self):
        pass

    resume_reading = pause_reading


class Loop:
    """A loop whose time passes when the test says so."""

    def __init__(self, loop):
        self._loop, self.now, self.timers = loop, 0.0, []

    def call_later(self, delay, call):
        timer = SimpleNamespace(time=self.now + delay, call=call, off=False)
        timer.cancel, timer.when = (lambda: setattr(timer, "off", True)), (lambda: timer.time)
        self.timers.append(timer)
        return timer

    def create_task(self, task):
        return self._loop.create_task(task)

    def pass_seconds(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer.time <= self.now and not timer.off]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.call()


@pytest.fixture
def connect():
    """A function that opens a connection to an app, and the loop whose time it follows."""
    loop = asyncio.new_event_loop()
    time, state = Loop(loop), ServerState()

    def opened(app=hello):
        config = uvicorn.Config(app, http=BoundedConnection, ws="none", lifespan="off", timeout_keep_alive=5)
        config.load()
        connection = BoundedConnection(config, state, {}, _loop=time)
        connection.connection_made(Transport())
        return connection

    def settle():
        for _ in range(20):
            loop.run_until_complete(asyncio.sleep(0))

    asyncio.set_event_loop(loop)
    yield opened, time, settle
    loop.close()
    asyncio.set_event_loop(None)


def test_a_connection_that_sends_no_request_is_closed(connect):
    opened, time, _ = connect
    silent = opened()
    time.pass_seconds(connections.HEADER_SECONDS)
    assert silent.transport.closed


def test_a_header_that_comes_a_letter_at_a_time_does_not_hold_its_connection(connect):
    opened, time, _ = connect
    slow = opened()
    for letter in GET[:9]:
        slow.data_received(bytes([letter]))
        time.pass_seconds(connections.HEADER_SECONDS / 10)
    assert not slow.transport.closed
    slow.data_received(GET[9:10])
    time.pass_seconds(connections.HEADER_SECONDS / 10)
    assert slow.transport.closed


def test_the_next_request_of_a_connection_has_a_limit_too(connect):
    opened, time, settle = connect
    connection = opened()
    connection.data_received(GET)
    settle()
    assert b"hello" in connection.transport.written and not connection.transport.closed
    connection.data_received(GET[:5])
    time.pass_seconds(connections.HEADER_SECONDS)
    assert connection.transport.closed


def test_a_request_that_is_being_answered_is_not_cut_off(connect):
    opened, time, settle = connect

    async def slow(scope, receive, send):
        await asyncio.Event().wait()

    connection = opened(slow)
    connection.data_received(GET)
    settle()
    time.pass_seconds(3600)
    assert not connection.transport.closed
    connection.connection_lost(OSError())


def test_a_reader_that_stops_reading_is_cut_off_and_one_that_reads_on_is_not(connect):
    opened, time, _ = connect
    stopped, reads = opened(), opened()
    for connection in (stopped, reads):
        connection._stop_timer()
        connection.pause_writing()
    reads.resume_writing()
    time.pass_seconds(connections.STALLED_SECONDS)
    assert stopped.transport.closed and not reads.transport.closed


def test_of_too_many_idle_connections_the_oldest_gives_way(connect, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    opened, time, _ = connect
    idle = []
    for _ in range(5):
        idle.append(opened())
        time.now += 0.1  # the loop reports no end of a connection before it has reported those that are new
    assert [connection.transport.closed for connection in idle] == [True, True, False, False, False]


def test_of_too_many_connections_the_one_whose_body_has_been_missing_longest_gives_way(connect, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)
    opened, _, settle = connect

    async def reading(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await asyncio.Event().wait()

    begun, uploading, served, second = (opened(reading) for _ in range(4))
    for connection in (begun, uploading, second):
        connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    served.data_received(GET)
    settle()
    uploading.data_received(b"more")
    newcomers = []
    for _ in range(2):
        newcomers.append(opened())
        newcomers[-1].data_received(GET)
        settle()
    assert begun.transport.closed and second.transport.closed
    assert not any(connection.transport.closed for connection in (uploading, served, *newcomers))
    assert all(b"hello" in connection.transport.written for connection in newcomers)
    for connection in (begun, uploading, served, second):
        connection.connection_lost(OSError())


def test_a_thousand_idle_connections_leave_the_page_to_others(monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        config = uvicorn.Config(hello, http=BoundedConnection, ws="none", lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        address, idle = listener.getsockname(), []
        try:
            idle = [socket.create_connection(address) for _ in range(200)]
            with socket.create_connection(address, timeout=30) as reader:
                reader.sendall(GET)
                assert b"hello" in reader.recv(1000) + reader.recv(1000)
        finally:
            for connection in idle:
                connection.close()
            server.should_exit = True
            thread.join()


def test_a_body_that_never_arrives_is_given_up(monkeypatch):
    monkeypatch.setattr(received, "EVENT_SECONDS", 0)
    monkeypatch.setattr(received, "WINDOW_SECONDS", 0)

    async def never():
        await asyncio.Event().wait()

    for reading in (lambda: read_whole(never, 10, "too large"), bounded(never, 10, "too large")):
        with pytest.raises(Refused) as refused:
            asyncio.run(reading())
        assert refused.value.status_code == 408


def test_an_upload_that_trickles_is_given_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(received.time, "monotonic", lambda: now[0])

    async def trickle():
        now[0] += 10
        return {"type": "http.request", "body": b"x" * size, "more_body": True}

    async def read(count):
        receive = bounded(trickle, 10**9, "too large")
        for _ in range(count):
            await receive()

    size = received.WINDOW_BYTES
    asyncio.run(read(100))
    size = 10
    with pytest.raises(Refused):
        asyncio.run(read(100))


def test_one_visitors_streams_are_bounded_and_leave_room_for_others(monkeypatch):
    monkeypatch.setattr(turns, "STREAMS", 2)
    monkeypatch.setattr(turns, "STREAMS_IN_ALL", 3)

    async def check():
        open_turns = Turns()

        def stream(visitor):
            return open_turns.stream(visitor, lambda: pytest.fail("a stream in use was ended"))

        async with stream("ann"), stream("ann"):
            with pytest.raises(Refused, match="429"):
                async with stream("ann"):
                    pass
            async with stream("bob"):
                with pytest.raises(Refused, match="503"):
                    async with stream("eve"):
                        pass
        async with stream("ann"), stream("ann"):
            pass
        assert not open_turns._streams and not open_turns._asked, "nothing is kept of a visitor who has gone"

    asyncio.run(check())


def test_streams_that_somebody_leaves_open_give_way_and_those_of_a_page_do_not(monkeypatch):
    monkeypatch.setattr(turns, "STREAMS_IN_ALL", 3)
    now, ended = [0.0], []

    async def check():
        open_turns = Turns(lambda: now[0])
        async with contextlib.AsyncExitStack() as stack:

            async def stream(visitor):
                await stack.enter_async_context(open_turns.stream(visitor, lambda: ended.append(visitor)))

            await stream("ann")
            await stream("x1")
            await stream("x2")
            for _ in range(20):  # the page of ann asks every three seconds
                now[0] += 3
                async with open_turns.request("ann"):
                    pass
            await stream("bob")
            await stream("carl")
            assert ended == ["x1", "x2"]
            with pytest.raises(Refused, match="503"):
                await stream("eve")
            now[0] += turns.SILENT_SECONDS + 1
            await stream("eve")
            assert ended == ["x1", "x2", "ann"]
        assert not open_turns._streams and not open_turns._asked

    asyncio.run(check())


def test_requests_of_one_visitor_wait_for_each_other_and_are_all_answered(monkeypatch):
    monkeypatch.setattr(turns, "AT_ONCE", 2)
    monkeypatch.setattr(turns, "WAITING", 30)
    running, most, refused = 0, 0, 0

    async def check():
        open_turns = Turns()

        async def one(visitor):
            nonlocal running, most, refused
            try:
                async with open_turns.request(visitor):
                    running += 1
                    most = max(most, running)
                    await asyncio.sleep(0)
                    running -= 1
            except Refused:
                refused += 1

        await asyncio.gather(*(one("ann") for _ in range(40)))
        assert (most, refused) == (2, 10)
        assert not open_turns._requests and not open_turns._gates, "nothing is kept of a visitor who has gone"

    asyncio.run(check())

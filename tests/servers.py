"""Real servers on loopback that fail in the ways of real servers."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape


class Server(ThreadingHTTPServer):
    """Serves byte strings by path, with range requests.

    Attributes
    ----------
    files
        Path, without the slash in front, to bytes.
    log
        One ``(method, path, range, seconds, status or fault)`` for each request.
    faults
        Called with the number of the request (from 1) and its path; returns what goes wrong:
        ``(status, headers)``; ``"cut"`` or ``"stall"`` after a third of the body; ``"reset"``
        before any answer; ``"drip"`` for a few bytes a second; or None.
    ranges, stamps
        Whether the server knows ranges, and whether it names versions (ETag).
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: dict[str, bytes], port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.files = files
        self.log: list[tuple] = []
        self.faults = lambda number, path: None
        self.ranges = self.stamps = self.lengths = True
        self.version = 1
        self.open = self.most_open = 0
        self.released = threading.Event()
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        pass  # clients that hang up are part of the tests

    def served(self, path: str = "") -> list[tuple]:
        return [entry for entry in self.log if entry[1].endswith(path)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        server = self.server
        path, _, query = self.path.partition("?")
        path = urllib.parse.unquote(path).lstrip("/")
        with server.guard:
            server.open += 1
            server.most_open = max(server.most_open, server.open)
            number = len(server.log) + 1
            fault = server.faults(number, path)
            server.log.append(
                (self.command, path, self.headers.get("Range"), time.monotonic(), fault)
            )
        try:
            self.act(path, urllib.parse.parse_qs(query), fault, body)
        finally:
            with server.guard:
                server.open -= 1

    def act(self, path: str, query: dict, fault, body: bool) -> None:
        if fault == "reset":
            self.close_connection = True
        elif isinstance(fault, tuple):
            self.send(fault[0], b"<Error><Code>SlowDown</Code></Error>", fault[1])
        elif "list-type" in query:
            self.listing(path, query)
        elif path not in self.server.files:
            self.send(404, b"<Error><Code>NoSuchKey</Code></Error>" if body else b"")
        else:
            self.content(path, fault, body)

    def listing(self, bucket: str, query: dict) -> None:
        """ListObjectsV2 of S3."""
        prefix = query.get("prefix", [""])[0]
        names = [n.removeprefix(f"{bucket.rstrip('/')}/") for n in sorted(self.server.files)]
        names = [name for name in names if name.startswith(prefix)]
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z"
            f"</LastModified><Size>{len(self.server.files[f'{bucket}/{name}'])}</Size></Contents>"
            for name in names
        )
        page = (
            f"<?xml version='1.0'?><ListBucketResult><Name>{bucket}</Name><KeyCount>{len(names)}"
            f"</KeyCount><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        )
        self.send(200, page.encode(), {"Content-Type": "application/xml"})

    def content(self, path: str, fault, body: bool) -> None:
        data, wanted = self.server.files[path], self.headers.get("Range")
        headers = {"Accept-Ranges": "bytes" if self.server.ranges else "none"}
        if self.server.stamps:
            headers["ETag"] = f'"{self.server.version}"'
            headers["Last-Modified"] = formatdate(1e9 + self.server.version, usegmt=True)
        if not (wanted and self.server.ranges):
            self.send(200, data, headers, fault, body)
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        start, stop = int(first), min(int(last or len(data)) + 1, len(data))
        if start >= len(data):
            self.send(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self.send(206, data[start:stop], headers, fault, body)

    def send(self, status: int, data: bytes, headers=None, fault=None, body: bool = True) -> None:
        self.send_response(status)
        chunked = not self.server.lengths and status == 200
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        part = data[: len(data) // 3] if fault in ("cut", "stall") else data
        if fault == "drip":
            for position in range(len(data)):
                self.wfile.write(data[position : position + 1])
                if self.server.released.wait(0.2):
                    return
        elif chunked:
            self.wfile.write(b"%x\r\n%s" % (len(data), part))
            if part is data:
                self.wfile.write(b"\r\n0\r\n\r\n")
        else:
            self.wfile.write(part)
        self.wfile.flush()
        if fault == "stall":
            self.server.released.wait(60)
        if fault in ("cut", "stall", "drip"):
            self.close_connection = True


@contextlib.contextmanager
def serving(files: dict[str, bytes], port: int = 0):
    """A server at work in a thread."""
    server = Server(files, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()

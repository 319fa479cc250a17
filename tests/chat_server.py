"""A chat server on loopback that answers, and misbehaves, as a script says."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


class Request:
    """What the client sent: the JSON body, the header fields, the picture."""

    def __init__(self, body: dict[str, Any], headers: dict[str, str]):
        self.body, self.headers = body, headers
        parts = {part["type"]: part for part in body["messages"][0]["content"]}
        self.prompt = parts["text"]["text"]
        data = base64.b64decode(parts["image_url"]["image_url"]["url"].split(",", 1)[1])
        self.picture = Image.open(io.BytesIO(data))


Act = Callable[["Handler", Request], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(body, {k.lower(): v for k, v in self.headers.items()})
        with server.lock:
            number = len(server.requests)
            server.requests.append((self.path, request))
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            server.script(number, request)(self, request)
        except (BrokenPipeError, ConnectionResetError):
            server.hung_up += 1
        finally:
            with server.lock:
                server.busy -= 1

    def reply(self, status: int, data: bytes, **headers: str):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, lines: list[bytes], pause: float = 0.0, end: bool = True):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            if pause:
                time.sleep(pause)
        if end:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


def _event(message: Any) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\n\n"


def _pieces(text: str, finish: str | None) -> list[bytes]:
    cut = [text[i : i + 20] for i in range(0, len(text), 20)]
    events = [_event({"choices": [{"delta": {"content": piece}}]}) for piece in cut]
    if finish:
        events.append(_event({"choices": [{"delta": {}, "finish_reason": finish}]}))
        usage = {"prompt_tokens": 1000, "completion_tokens": len(cut)}
        events += [_event({"choices": [], "usage": usage}), b"data: [DONE]\n\n"]
    return events


def says(text: str, finish: str = "stop", pause: float = 0.0) -> Act:
    return lambda handler, request: handler.stream(_pieces(text, finish), pause)


def says_whole(text: str) -> Act:
    """One JSON object: a server that does not stream."""
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
    return lambda handler, request: handler.reply(200, json.dumps(body).encode())


def status(code: int, text: str = "no", **headers: str) -> Act:
    return lambda handler, request: handler.reply(code, text.encode(), **headers)


def raw(data: bytes) -> Act:
    return lambda handler, request: handler.reply(200, data)


def events(*lines: bytes) -> Act:
    return lambda handler, request: handler.stream(list(lines))


def cuts(text: str) -> Act:
    """The stream ends within the answer: the connection is closed before the last chunk."""
    return lambda handler, request: handler.stream(_pieces(text, None), end=False)


def ends_early(text: str) -> Act:
    """A stream that ends well as HTTP, and without the end of the answer."""
    return lambda handler, request: handler.stream(_pieces(text, None))


def hangs(seconds: float) -> Act:
    def act(handler, request):
        time.sleep(seconds)
        handler.close_connection = True

    return act


def babbles(piece: str, times: int) -> Act:
    """The same piece again and again, slowly enough to be interrupted."""
    event = _event({"choices": [{"delta": {"content": piece}}]})
    return lambda handler, request: handler.stream([event] * times, pause=0.002)


@contextmanager
def chat_server(script: Callable[[int, Request], Act] | list[Act]):
    """Serve; the script gives the act of each request, a list the acts in their order."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.script = script if callable(script) else lambda number, request: script[number]
    server.requests, server.lock = [], threading.Lock()
    server.busy = server.most_busy = server.hung_up = 0
    server.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

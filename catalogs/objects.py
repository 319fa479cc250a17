"""Objects behind URLs, read by byte ranges: HTTP servers, S3, and whatever fsspec knows.

An object makes one request a call, tells passing faults (`Transient`) from those that stay, and
notices when the object is no longer the one it was. Who tries again, and when, is `remote`'s.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import posixpath
import re
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import fsspec
import requests
import urllib3
from fsspec.implementations.arrow import ArrowFSWrapper

from catalogs.errors import UserError
from catalogs.faults import (
    HOSTS,
    NoRanges,
    RemoteError,
    Transient,
    no_answer,
    one_line,
    reason,
)

PIECE = 1 << 18
SLOWEST = 100.0  # bytes a second; a server that sends less has stalled
USER_AGENT = "corpusmill"
RETRIED = (408, 425, 429, 500, 502, 503, 504)
SLOW_DOWN = (429, 503)
STAMPS = ("ETag", "etag", "md5Hash", "md5", "crc32c", "generation", "sha256")
TIMES = ("LastModified", "mtime", "created")


def is_http(path: str) -> bool:
    return path.startswith(("http://", "https://"))


def is_s3(path: str) -> bool:
    return path.startswith(("s3://", "s3a://"))


class Object:
    """One object; subclasses have ``look()`` and ``fetch(start, stop)``, one request each.

    ``look`` finds out size and stamp. ``fetch`` yields the bytes from `start` to before `stop`,
    fewer at the end of the object, and knows size and stamp before it yields.

    Attributes
    ----------
    size
        In bytes; None while unknown.
    stamp
        What tells one version from another: a strong ETag, a checksum or a time; "" if nothing.
    """

    def __init__(self, path: str, timeout: float):
        self.path, self.timeout = path, timeout
        self.size: int | None = None
        self.stamp = ""

    def known(self, size: int, stamp: str) -> None:
        """Note size and stamp, or find that they are others than before."""
        if self.size is not None and (size, stamp) != (self.size, self.stamp):
            raise RemoteError(
                f"{self.path}: changed while it was read (size {self.size}, version "
                f"{self.stamp or 'unknown'}; now size {size}, version {stamp or 'unknown'}); "
                "run again to read it as it is now"
            )
        self.size, self.stamp = size, stamp


class HttpObject(Object):
    """An object on an HTTP server (RFC 9110, section 14: range requests)."""

    def look(self) -> None:
        # a range of one byte tells more than HEAD does: also whether there are ranges at all
        try:
            for _ in self.fetch(0, 1):
                break
        except NoRanges:
            pass

    def fetch(self, start: int, stop: int) -> Iterator[bytes]:
        with self._ask({"Range": f"bytes={start}-{stop - 1}"}) as response:
            if response.status_code == 416:  # nothing there: the end of the object, or an empty one
                total = _total(response)
                self.known(total if total is not None else self.size or 0, _stamp(response))
                return
            if response.status_code != 206:
                self.known(int(response.headers.get("Content-Length", -1)), _stamp(response))
                raise NoRanges
            first, total = _first(response), _total(response)
            if first != start or total is None:
                raise RemoteError(
                    f"{self.path}: asked for bytes from {start} on, the server answered with "
                    f"'Content-Range: {response.headers.get('Content-Range')}'"
                )
            self.known(total, _stamp(response))
            yield from self._pieces(response)

    def whole(self) -> Iterator[bytes]:
        """All bytes, for servers without ranges; ends early without an error when cut."""
        with self._ask({}) as response:
            if response.status_code == 200:
                self.known(int(response.headers.get("Content-Length", -1)), _stamp(response))
                yield from self._pieces(response)

    def _ask(self, headers: dict[str, str]) -> requests.Response:
        headers = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **headers}
        try:
            response = _session().get(
                self.path, headers=headers, stream=True, timeout=(self.timeout, self.timeout)
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in repr(error):
                raise RemoteError(f"{self.path}: {one_line(error)}") from None
            raise no_answer(error, urlsplit(self.path).netloc) from None
        except (requests.RequestException, ValueError) as error:
            raise RemoteError(f"{self.path}: {one_line(error)}") from None
        HOSTS[urlsplit(self.path).netloc].answered()
        if response.status_code in (200, 206, 416):
            return response
        with response:
            _refuse(self.path, response)
        return response

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        received, since = 0, time.monotonic()
        while True:
            try:
                piece = response.raw.read1(PIECE, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise Transient(reason(error)) from None
            if not piece:
                return
            yield piece
            received += len(piece)
            now = time.monotonic()
            if now - since > self.timeout:
                if received < SLOWEST * self.timeout:
                    raise Transient(f"only {received} bytes came in {now - since:.0f} seconds")
                received, since = 0, now


def _refuse(path: str, response: requests.Response) -> None:
    """Raise what an HTTP status means."""
    status = f"{response.status_code} {response.reason or ''}".strip()
    if response.status_code in RETRIED:
        wait = _retry_after(response.headers.get("Retry-After", ""))
        raise Transient(status, wait, slow_down=response.status_code in SLOW_DOWN)
    if response.status_code in (404, 410):
        raise FileNotFoundError(f"{path}: no such object ({status})")
    if response.status_code in (401, 403):
        raise PermissionError(f"{path}: the server does not allow this ({status})")
    raise RemoteError(f"{path}: the server answered {status}")


def _retry_after(value: str) -> float | None:
    """Seconds of a Retry-After field (RFC 9110, section 10.2.3), a number or a date, or None."""
    if re.fullmatch(r"\s*\d{1,9}\s*", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _first(response: requests.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _total(response: requests.Response) -> int | None:
    match = re.match(r"bytes [^/]*/(\d+)", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _stamp(response: requests.Response) -> str:
    etag = response.headers.get("ETag", "")
    # weak tags may differ between machines that serve the same bytes
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


_local = threading.local()


def _session() -> requests.Session:
    """One session a thread: connections are kept open between requests."""
    if getattr(_local, "owner", None) != os.getpid():
        _local.session, _local.owner = requests.Session(), os.getpid()
    return _local.session


class StoredObject(Object):
    """An object of a store whose client reads a range as a whole; subclasses have ``piece``."""

    def fetch(self, start: int, stop: int) -> Iterator[bytes]:
        if self.size is None:
            self.look()
        stop = min(stop, self.size)
        if start < stop:
            yield self.piece(start, stop)


class S3Object(StoredObject):
    """An object of S3, through the client that comes with Arrow; its own retries are off."""

    def __init__(self, path: str, timeout: float, anonymous: bool):
        super().__init__(path, timeout)
        self.fs, self.key = s3(path, timeout, anonymous)

    def look(self) -> None:
        with _arrow_faults(self.path):
            file = self.fs.open_input_file(self.key)
            size, known = file.size(), file.metadata() or {}
        tag = known.get("ETag") or known.get("Last-Modified") or b""
        self.known(size, tag.decode())
        self.file = file

    def piece(self, start: int, stop: int) -> bytes:
        with _arrow_faults(self.path):
            return self.file.read_at(stop - start, start)


@functools.lru_cache(64)
def _s3_client(bucket: str, timeout: float, anonymous: bool, environment: tuple):
    from pyarrow import fs

    endpoint = _endpoint("")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region and not endpoint:
        try:
            region = fs.resolve_s3_region(bucket)
        except OSError as error:
            host = f"s3.amazonaws.com (asked for the region of '{bucket}'; AWS_REGION may tell it)"
            raise no_answer(error, host) from None
    scheme, _, host = (endpoint or "").rpartition("://")
    return fs.S3FileSystem(
        anonymous=anonymous,
        region=region,
        scheme=scheme or "https",
        endpoint_override=host or None,
        request_timeout=timeout,
        connect_timeout=timeout,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )


def s3(path: str, timeout: float = 30.0, anonymous: bool = False):
    """The client for an ``s3://`` path, and bucket and key.

    Credentials, region and endpoint are those of the AWS environment variables and files.
    """
    key = path.split("://", 1)[1]
    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))
    return _s3_client(key.split("/", 1)[0], timeout, anonymous, environment), key


def _endpoint(path: str) -> str:
    """The server of a bucket: what the environment names, else the bucket as its own host."""
    given = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return given or "/".join(path.split("/", 3)[:3])


@contextlib.contextmanager
def _arrow_faults(path: str) -> Iterator[None]:
    """Turns Arrow's errors into those of this module."""
    try:
        yield
    except RemoteError:
        raise
    except OSError as error:
        text = str(error)
        if isinstance(error, FileNotFoundError) or re.search(r"NO_SUCH_|404|NOT_FOUND", text):
            raise FileNotFoundError(f"{path}: no such object") from None
        if re.search(r"ACCESS_DENIED|HTTP status 40[13]|INVALID_ACCESS_KEY|SIGNATURE", text):
            raise PermissionError(
                f"{path}: access denied; set AWS credentials, or 'remote.anonymous: true' for a "
                "public bucket"
            ) from None
        slow = re.search(r"SLOW_DOWN|SERVICE_UNAVAILABLE|THROTTLING|HTTP status (429|503)", text)
        if slow:
            raise Transient(one_line(error), slow_down=True) from None
        raise no_answer(error, _endpoint(path)) from None
    HOSTS[_endpoint(path)].answered()


@contextlib.contextmanager
def _fsspec_faults(path: str) -> Iterator[None]:
    """Turns what file systems of fsspec raise, which is anything, into errors of this module."""
    try:
        yield
    except (RemoteError, ImportError):
        raise
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such object") from None
    except PermissionError:
        raise PermissionError(f"{path}: access denied") from None
    except Exception as error:
        raise no_answer(error, path.split("://", 1)[0]) from None
    HOSTS[path.split("://", 1)[0]].answered()


class FsspecObject(StoredObject):
    """An object of any other protocol, through fsspec."""

    def __init__(self, path: str, timeout: float):
        super().__init__(path, timeout)
        self.fs, self.inner = filesystem(path)

    def look(self) -> None:
        with _fsspec_faults(self.path):
            self.fs.invalidate_cache()
            info = self.fs.info(self.inner)
        self.known(int(info["size"]), fsspec_stamp(info))

    def piece(self, start: int, stop: int) -> bytes:
        with _fsspec_faults(self.path):
            return self.fs.cat_file(self.inner, start, stop)


def find(pattern: str, anonymous: bool = False) -> list[str]:
    """The objects that a path, a folder or a glob names, sorted; hidden ones are left out.

    A folder stands for every object below it. HTTP has no folders: a URL stands for itself, and
    whether it exists is seen when it is read.
    """
    if is_http(pattern):
        return [pattern]
    faults = _arrow_faults if is_s3(pattern) else _fsspec_faults
    fs, inner = filesystem(pattern, anonymous)
    with faults(pattern):
        if fs.isdir(inner):
            inner = posixpath.join(inner, "**")
        found = fs.glob(inner) if glob.has_magic(inner) else [inner] * fs.exists(inner)
        files = [path for path in found if fs.isfile(path)]
    scheme = pattern.split("://", 1)[0]
    return sorted(
        f"{scheme}://{path}" if is_s3(pattern) else fs.unstrip_protocol(path)
        for path in files
        if not posixpath.basename(path).startswith(".")
    )


def fsspec_stamp(info: dict) -> str:
    """What tells one version of an object from another, of what fsspec says about it."""
    names = [*STAMPS, *TIMES]
    return next((str(info[name]) for name in names if info.get(name)), "")


def filesystem(path: str, anonymous: bool = False) -> tuple[fsspec.AbstractFileSystem, str]:
    """The fsspec file system of `path` and the path inside it.

    Raises
    ------
    UserError
        When the protocol needs a package that is not installed.
    """
    if is_s3(path):
        client, key = s3(path, anonymous=anonymous)
        return ArrowFSWrapper(client), key
    try:
        return fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise UserError(f"{path}: cannot open this kind of path: {error}") from None
    except OSError as error:  # some connect at once
        raise RemoteError(f"{path}: not reached ({one_line(error)})") from None

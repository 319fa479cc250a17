"""The one door to files: local paths, web servers and object stores behave alike."""

from __future__ import annotations

import contextlib
import errno
import glob as globbing
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator

import xxhash

from catalogs import objects
from catalogs.errors import UserError
from catalogs.remote import Access

CHUNK = 1 << 20
ANY = Access()
"""Access to remote files outside of a run."""


def is_remote(path: str) -> bool:
    """Whether `path` names an object store (``s3://``, ``gs://``, ``hf://``, ``https://`` …)."""
    return "://" in path and not path.startswith("file://")


def join(*parts: str) -> str:
    """Join path parts; an absolute path or URL later in the list wins."""
    path = ""
    for part in map(str, parts):
        if is_remote(part) or part.startswith(("/", "file://")) or not path:
            path = part
        else:
            path = posixpath.join(path, part)
    return path


filesystem = objects.filesystem


def open_input(path: str, access: Access | None = None):
    """Open `path` for reading bytes; the file object can seek. `access` is for remote paths."""
    if is_remote(path):
        return (access or ANY).open(path)
    return open(path.removeprefix("file://"), "rb")


def exists(path: str) -> bool:
    if objects.is_http(path):
        return size(path) is not None
    fs, inner = filesystem(path)
    return fs.exists(inner)


def size(path: str) -> int | None:
    """Size in bytes, or None when there is no such file."""
    try:
        if is_remote(path):
            return ANY.look(path)[0]
        return os.stat(path.removeprefix("file://")).st_size
    except FileNotFoundError:
        return None


def expand(pattern: str, root: str = "", access: Access | None = None) -> list[str]:
    """Expand a path, a folder or a glob into sorted files; empty when nothing matches.

    A folder stands for every file below it; hidden files are left out. A pattern is relative to
    `root`, whose own name is taken literally. An HTTP address stands for itself.
    """
    path = join(root, pattern)
    if is_remote(path):
        return (access or ANY).find(path)
    return _expand_local(pattern.removeprefix("file://"), path.removeprefix("file://"), root)


def _expand_local(pattern: str, path: str, root: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        globbed = posixpath.join(globbing.escape(path), "**")
    else:
        globbed = join(globbing.escape(root), pattern)
    return sorted(
        found for found in globbing.glob(globbed, recursive=True) if os.path.isfile(found)
    )


def fingerprint(path: str, access: Access | None = None) -> str:
    """Identity of an input file without reading it: size and etag, checksum or modification time.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    """
    if is_remote(path):
        return "{}:{}".format(*(access or ANY).look(path))
    status = os.stat(path.removeprefix("file://"))
    return f"{status.st_size}:{status.st_mtime_ns}"


def checksum(path: str) -> str:
    """xxh3_128 of the bytes of a file, as 32 hex digits."""
    digest = xxhash.xxh3_128()
    with open_input(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def make_folder(path: str) -> None:
    """Create a folder and its parents.

    Raises
    ------
    UserError
        When the folder cannot be written to.
    """
    if is_remote(path):
        return
    try:
        os.makedirs(path, exist_ok=True)
        # root may write into read-only folders, so only a real write tells
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(
            f"{path}: the output folder cannot be written ({error.strerror}); "
            "give another with 'out:' or mend its permissions"
        ) from None


def publish(temporary: str, final: str, durable: bool = True) -> None:
    """Move a finished local file to its final path, so that readers see all of it or nothing.

    Without `durable` the file is whole after the death of any process, but not after a power cut.
    """
    if is_remote(final):
        fs, inner = filesystem(final)
        fs.put_file(temporary, inner)  # an object appears when its upload is complete
        os.unlink(temporary)
        return
    os.makedirs(os.path.dirname(final), exist_ok=True)
    with contextlib.suppress(OSError):
        os.rmdir(final)  # an empty folder, where a dataset of several files was
    if durable:
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
    try:
        os.replace(temporary, final)
    except OSError as error:
        if error.errno != errno.EXDEV:  # another device
            raise
        beside = f"{final}.{os.getpid()}.tmp"
        shutil.copyfile(temporary, beside)
        os.replace(beside, final)
        os.unlink(temporary)
    if durable:
        _sync_folder(os.path.dirname(final))


def write_text(path: str, text: str, durable: bool = True) -> None:
    """Write a small text file atomically; `durable` as in `publish`."""
    if is_remote(path):
        fs, inner = filesystem(path)
        fs.pipe_file(inner, text.encode())
        return
    path = os.path.abspath(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    publish(temporary, path, durable)


def read_text(path: str) -> str:
    with open_input(path) as file:
        return file.read().decode()


def delete(path: str) -> None:
    """Delete a file; not an error when it is already gone."""
    fs, inner = filesystem(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm_file(inner)


def listing(folder: str, suffix: str = "") -> list[str]:
    """Sorted paths of the files below `folder` whose names end with `suffix`."""
    fs, inner = filesystem(folder)
    if not fs.exists(inner):
        return []
    found = fs.find(inner)
    if is_remote(folder):
        found = [fs.unstrip_protocol(path) for path in found]
    return sorted(path for path in found if path.endswith(suffix))


@contextlib.contextmanager
def scratch(root: str, name: str) -> Iterator[str]:
    """A local folder for work in progress, emptied before and removed after.

    It lies inside a local `root`, so that publishing is a rename; for a remote root it lies in the
    system's folder for temporary files.
    """
    base = posixpath.join(root, "_tmp") if not is_remote(root) else tempfile.gettempdir()
    folder = posixpath.join(base, f"{name}-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

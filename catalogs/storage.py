"""The one door to files: local paths and object stores behave alike (fsspec)."""

from __future__ import annotations

import contextlib
import glob as globbing
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator

import fsspec
import xxhash

from catalogs.errors import UserError

CHUNK = 1 << 20


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


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the fsspec file system of `path` and the path inside it.

    Raises
    ------
    UserError
        When the protocol needs a package that is not installed.
    """
    try:
        return fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise UserError(f"{path}: cannot open this kind of path: {error}") from None


def open_input(path: str):
    """Open `path` for reading bytes; the file object can seek."""
    fs, inner = filesystem(path)
    return fs.open(inner, "rb")


def exists(path: str) -> bool:
    fs, inner = filesystem(path)
    return fs.exists(inner)


def size(path: str) -> int | None:
    """Size in bytes, or None when there is no such file."""
    fs, inner = filesystem(path)
    try:
        return int(fs.info(inner)["size"])
    except FileNotFoundError:
        return None


def expand(pattern: str, root: str = "") -> list[str]:
    """Expand a path, a folder or a glob into sorted files; empty when nothing matches.

    A folder stands for every file below it; hidden files are left out. A pattern is relative to
    `root`, whose own name is taken literally.
    """
    path = join(root, pattern)
    if not is_remote(path):
        return _expand_local(pattern.removeprefix("file://"), path.removeprefix("file://"), root)
    fs, inner = filesystem(path)
    if fs.isdir(inner):
        inner = posixpath.join(inner, "**")
    found = fs.glob(inner) if globbing.has_magic(inner) else [inner] * fs.exists(inner)
    files = (path for path in found if not posixpath.basename(path).startswith("."))
    return sorted(fs.unstrip_protocol(path) for path in files if fs.isfile(path))


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


def fingerprint(path: str) -> str:
    """Identity of an input file without reading it: size and etag, checksum or modification time.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    """
    fs, inner = filesystem(path)
    info = fs.info(inner)
    stamps = ("ETag", "etag", "md5Hash", "md5", "crc32c", "generation", "sha256")
    stamp = next((str(info[key]) for key in stamps if info.get(key)), None)
    if stamp is None:
        if not is_remote(path):
            stamp = str(os.stat(inner).st_mtime_ns)
        else:
            stamp = str(info.get("LastModified") or info.get("mtime") or info.get("created"))
    return f"{info['size']}:{stamp}"


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
    if durable:
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
    try:
        os.replace(temporary, final)
    except OSError:  # another device
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

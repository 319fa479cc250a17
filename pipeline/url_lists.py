"""The URL lists of a recipe: read, compiled once into the run folder, mapped by every worker."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from catalogs import storage
from catalogs.errors import UserError, nearest
from filters.url import UrlFilter, UrlList, has_path
from filters.url_lists import check_expression
from pipeline.address import code_version, digest
from pipeline.recipe import Recipe

FOLDER = "lists"
CODE = (
    *("filters.url_lists", "filters.url_table", "filters.url_kernels", "filters.hosts"),
    "pipeline.url_lists",
)
_BLOCK = 16 << 20
_FIELDS = {
    "domains": "domain",
    "hosts": "host",
    "pages": "page",
    "prefixes": "prefix",
    "extensions": "extension",
    "words": "word",
}
_UT1 = {"domains": "domain", "urls": "prefix", "expressions": "expression"}
"""Files of a folder in the layout of UT1 (and of squidGuard), and what their entries are."""


@dataclass(frozen=True)
class Item:
    """A list as the recipe names it: entries of its own, or a file."""

    kind: str
    category: str
    field: str
    entries: tuple[str, ...] = ()
    path: str = ""

    def identity(self) -> list:
        content = storage.checksum(self.path) if self.path else list(self.entries)
        return [self.kind, self.category, content]

    def lines(self) -> Iterator[str | bytes]:
        yield from self.entries
        if self.path:
            with storage.open_input(self.path) as file:
                while block := file.read(_BLOCK):
                    yield block + file.readline()


@dataclass(frozen=True)
class UrlLists:
    """All lists of a recipe; `digest` names their content and the code that compiles them."""

    items: tuple[Item, ...]
    digest: str

    def path(self, root: str) -> str:
        """Where the compiled file of the run folder `root` lies."""
        return storage.join(root, FOLDER, f"url-{self.digest}.arrow")

    def write(self, root: str) -> None:
        """Compile the lists unless that is done, and drop what was compiled for other lists.

        Raises
        ------
        UserError
            When a list holds what cannot be read; names the field.
        """
        final = self.path(root)
        if not storage.exists(final):
            with storage.scratch(root, "url-lists") as folder:
                temporary = storage.join(folder, "lists.arrow")
                self._filter().save(temporary)
                storage.publish(temporary, final)
        for path in storage.listing(storage.join(root, FOLDER), ".arrow"):
            if posixpath.basename(path) != posixpath.basename(final):
                storage.delete(path)

    def _filter(self) -> UrlFilter:
        for item in self.items:
            if item.kind == "expression":
                _check(item)
        try:
            return UrlFilter.of(
                UrlList(item.kind, item.category, item.lines()) for item in self.items
            )
        except ValueError as error:
            raise UserError(f"field 'url': {error}") from None


def url_lists(recipe: Recipe) -> UrlLists:
    """The lists of a recipe; files are read for their checksums, not kept.

    Raises
    ------
    UserError
        When a file, a folder or a category is not there.
    """
    items = []
    for field in ("allow", *_FIELDS):
        items += _of_field(recipe, field, getattr(recipe.url, field))
    items += _of_folders(recipe)
    code = code_version(CODE, ("idna",))
    return UrlLists(tuple(items), digest([code, [item.identity() for item in items]]))


def _of_field(recipe: Recipe, field: str, values: list[str]) -> list[Item]:
    own: list[str] = []
    files: list[Item] = []
    for index, value in enumerate(values):
        paths = _files(recipe, field, index, value)
        if not paths:
            own.append(value)
        elif field == "allow":  # names and pages stand side by side, and both are few
            own += [line for path in paths for line in storage.read_text(path).splitlines()]
        else:
            where = f"url.{field}.{index}"
            files += [Item(_FIELDS[field], "", where, path=path) for path in paths]
    if field == "allow":
        pages = tuple(entry for entry in own if has_path(entry))
        domains = tuple(entry for entry in own if not has_path(entry))
        lists = [
            Item("allowed_domain", "", "url.allow", domains),
            Item("allowed_page", "", "url.allow", pages),
        ]
    else:
        lists = [Item(_FIELDS[field], "", f"url.{field}", tuple(own)), *files]
    return [item for item in lists if item.entries or item.path]


def _files(recipe: Recipe, field: str, index: int, value: str) -> list[str]:
    """The files that a value names; empty when it is an entry itself."""
    if "/" not in value and not value.endswith(".txt"):
        return []
    may_be_page = field in ("allow", "pages", "prefixes")
    if may_be_page and value.startswith(("http://", "https://")):
        return []
    paths = storage.expand(value, recipe.base)
    if not paths and not (may_be_page and _is_page(value)):
        raise UserError(
            f"recipe '{recipe.name}': field 'url.{field}.{index}': no file matches '{value}' "
            f"(looked in {recipe.base})"
        )
    return paths


def _is_page(value: str) -> bool:
    return "." in value.partition("/")[0].strip(".")


def _of_folders(recipe: Recipe) -> list[Item]:
    found: dict[str, list[Item]] = {}
    for index, folder in enumerate(recipe.url.folders):
        where = f"url.folders.{index}"
        paths = storage.expand(folder, recipe.base)
        lists = [path for path in paths if posixpath.basename(path) in _UT1]
        if not lists:
            raise UserError(
                f"recipe '{recipe.name}': field '{where}': no file named "
                f"{', '.join(_UT1)} below '{storage.join(recipe.base, folder)}'"
            )
        for path in lists:
            category = posixpath.basename(posixpath.dirname(path))
            kind = _UT1[posixpath.basename(path)]
            found.setdefault(category, []).append(Item(kind, category, where, path=path))
    wanted = recipe.url.categories
    for index, name in enumerate(wanted):
        if name not in found:
            hint = nearest(name, found) or f" (there are: {', '.join(sorted(found)) or 'none'})"
            raise UserError(
                f"recipe '{recipe.name}': field 'url.categories.{index}': "
                f"no folder of lists is called '{name}'{hint}"
            )
    return [item for name in wanted or sorted(found) for item in found[name]]


def _check(item: Item) -> None:
    """Name the file and the line of an expression that cannot be read."""
    text = storage.read_text(item.path)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                check_expression(line.strip())
            except ValueError as error:
                raise UserError(f"{item.path}: line {number}: {error}") from None

"""Write the reference pages that are made from the code: ``python docs/generate.py``.

`docs/recipe.md`, `docs/study.md` and `docs/mixture.md` come from the models of these files,
`docs/documents.md` from the Arrow schemas and the catalogue's views. A test fails when they are
not current.
"""

from __future__ import annotations

import json
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from catalogs import catalog
from mixing.export.mixture import Mixture
from mixing.study_file import Study
from pipeline.documents import DOCUMENTS, QUARANTINE, VERDICT
from pipeline.recipe import Recipe
from pipeline.records import ERRORS, REJECTS
from pipeline.write import CORPUS

FOLDER = Path(__file__).parent

RECIPE_INTRO = """# The recipe

A recipe is one YAML file. `corpusmill run RECIPE` checks every field before it does any work; an
unknown or wrong field is one line that names the file, the field, what was expected and the
nearest valid name. Paths are relative to `root`, which is the folder of the recipe unless it says
otherwise. Formats, `https://` and `s3://` paths, path lists, crawls by name and selections of
records are told in [reading.md](reading.md).

The smallest recipe:

```yaml
name: small
out: ../runs/small
sources:
  web:
    reader: warc
    paths: crawl/*.warc.gz
```

Changing a field re-does exactly the steps that depend on it. `out`, `remote`, `limits.batch`,
`limits.buffer_mb`, `limits.stall_seconds` and `limits.attempts` change no output.
"""

STUDY_INTRO = """# The study

A study is one YAML file; `corpusmill mix run STUDY` checks every field before it does any work.
Domains are SQL predicates over the view `documents` of a finished run; only documents in `corpus/`
count, and the first domain whose predicate holds gets the document. Numbers of tokens and bytes may
be written `500K`, `4M`, `2B`, `1.5T`. A ratio is always a share of training tokens.

```yaml
name: small
run: ../runs/demo
out: ../runs/small-mix
domains:
  web: source = 'web' and language = 'en'
  code: source = 'code'
tokens: 4M
```

What each step means and which laws are fitted is told in [mixing.md](mixing.md); the proxies in
[proxies.md](proxies.md).
"""

MIXTURE_INTRO = """# The mixture

What `corpusmill export` exports: one YAML or JSON file, or the `mixture.json` of a study, whose
`ratios` are the shares. Domains are as in [study.md](study.md). Paths are relative to `root`, which
is the folder of the file unless it says otherwise.

```yaml
name: pretraining
run: runs/demo
domains:
  code: source = 'code'
  rest: "true"
shares: {code: 0.3, rest: 0.7}
max_epochs: 4
```

How documents are drawn, and what is written, is told in [export.md](export.md).
"""

DOCUMENTS_INTRO = """# Documents, and the tables of the catalogue

Identity is content: `id` hashes the text alone, so exact copies share it; `row_id` names one copy.
Each description below is stored in the Parquet files themselves (field metadata `doc`) and is shown
by `corpusmill sql RUN --schema`.

Shards are sorted by `(id, row_id)`. Attribute files of later steps
(`attributes/dedup/…`) hold the same rows in the same order as the document shard of the same name.
"""


def recipe_page() -> str:
    """The recipe reference as Markdown."""
    return model_page(Recipe, RECIPE_INTRO)


def study_page() -> str:
    """The reference of study files as Markdown."""
    return model_page(Study, STUDY_INTRO)


def mixture_page() -> str:
    """The reference of mixture files as Markdown."""
    return model_page(Mixture, MIXTURE_INTRO)


def model_page(root: type[BaseModel], intro: str) -> str:
    """Tables of the fields of a model and of those nested in it."""
    parts = [intro]
    done: set[type] = set()

    def section(model: type[BaseModel], title: str) -> None:
        if model in done:
            return
        done.add(model)
        doc = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        parts.append(f"## {title}\n\n{' '.join(doc.split())}\n")
        parts.append("| field | type | default | meaning |\n|---|---|---|---|")
        nested = []
        for name, field in model.model_fields.items():
            parts.append(
                f"| `{name}` | {_type(field.annotation)} | {_default(field)} | "
                f"{_cell(field.description or '')} |"
            )
            nested += [(inner, name) for inner in _models(field.annotation)]
        parts.append("")
        for inner, name in nested:
            section(inner, f"`{name}`" if title == "The whole file" else f"{title} › `{name}`")

    section(root, "The whole file")
    return "\n".join(parts)


def documents_page() -> str:
    """The document schema and the views of the catalogue as Markdown."""
    parts = [DOCUMENTS_INTRO, "## Columns of `documents/`\n", _columns(DOCUMENTS)]
    parts += ["## Added by deduplication (view `documents`)\n", _rows(catalog.DEDUP.items())]
    parts += ["## Added by quality rules\n", _rows(catalog.QUALITY.items())]
    parts += ["## Added by the search for site boilerplate\n"]
    parts += [_rows(catalog.BOILERPLATE.items())]
    parts += ["## Columns of `corpus/`\n", "As above, and:\n"]
    parts += [_columns([f for f in CORPUS if f.name not in DOCUMENTS.names])]
    kept = ", ".join(f"`{name}`" for name in CORPUS.names)
    parts += [f"All of them: {kept}.\n"]
    parts += ["## Columns of `rejected/`\n", "Those of `documents/`, and:\n", _columns(VERDICT)]
    parts += ["## Columns of `quarantine/`\n", _columns(QUARANTINE)]
    views = {
        "steps": catalog.STEPS,
        "shards": catalog.SHARDS,
        "funnel": catalog.FUNNEL,
        "sources": catalog.SOURCES,
        "charsets": catalog.CHARSETS,
        "digests": catalog.DIGESTS,
    }
    for view, columns in views.items():
        parts += [f"## View `{view}`\n", f"{catalog.VIEW_DOCS[view].capitalize()}.\n"]
        parts += [_rows((name, doc) for name, (_, doc) in columns.items())]
    for view, columns in catalog.FOUND.items():
        parts += [f"## View `{view}`\n", f"{catalog.VIEW_DOCS[view].capitalize()}.\n"]
        parts += [_rows(columns.items())]
    parts += ["## Why readers reject a record (stage `read`)\n", _rows(REJECTS.items(), "reason")]
    parts += ["## Why readers quarantine a record\n", _rows(ERRORS.items(), "error")]
    return "\n".join(parts)


def _columns(fields) -> str:
    lines = ["| column | type | meaning |", "|---|---|---|"]
    for field in fields:
        doc = _cell((field.metadata or {}).get(b"doc", b"").decode())
        lines.append(f"| `{field.name}` | `{_arrow(field.type)}` | {doc} |")
    return "\n".join(lines) + "\n"


def _arrow(kind) -> str:
    return str(kind).replace("list<element: ", "list<").replace("list<item: ", "list<")


def _rows(items, head: str = "column") -> str:
    lines = [f"| {head} | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {_cell(doc)} |" for name, doc in items]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined:
        value = field.default_factory()
    if isinstance(value, BaseModel):
        return "see below"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(annotation: object) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        return _type(typing.get_args(annotation)[0])
    arguments = [a for a in typing.get_args(annotation) if a is not Ellipsis]
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    if arguments:
        names = [_type(a) for a in arguments if a is not type(None)]
        return " or ".join(names + ["null"] * (type(None) in arguments))
    plain = {str: "text", int: "whole number", float: "number", bool: "yes or no"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"{annotation.__name__} (below)"
    return plain.get(annotation, "anything")


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


PAGES = {
    "recipe.md": recipe_page,
    "study.md": study_page,
    "mixture.md": mixture_page,
    "documents.md": documents_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page() + "\n" if not page().endswith("\n") else page())
        print(f"wrote {FOLDER / name}")

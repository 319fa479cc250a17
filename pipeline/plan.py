"""The plan: which shards each step consists of, and their addresses."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import xxhash

from catalogs import storage
from catalogs.ledger import Row
from catalogs.takedown import Takedown
from filters import load_preset
from pipeline.address import address, code_version
from pipeline.boilerplate import find_boilerplate
from pipeline.ingest import ingest
from pipeline.jobs import Job
from pipeline.languages import language_arguments
from pipeline.quality import deciding, quality_arguments
from pipeline.recipe import Recipe
from pipeline.scrub import deciding as scrub_deciding
from pipeline.scrub import recipe_index, scrub_actions, scrub_arguments
from pipeline.url_lists import UrlLists, url_lists
from pipeline.write import plan_parts, write_part

INGEST_CODE = (
    "filters",
    "ocr",
    "pipeline.reading",
    "pipeline.readers",
    "pipeline.records",
    "pipeline.http_body",
    "pipeline.charset",
    "pipeline.extract",
    "pipeline.html",
    "pipeline.parse",
    "pipeline.plugins",
    "pipeline.tag",
    "pipeline.scrub",
    "pipeline.spans",
    "pipeline.compliance",
    "pipeline.notices",
    "pipeline.takedown_rows",
    "pipeline.languages",
    "pipeline.quality",
    "pipeline.classifier_model",
    "pipeline.ingest",
    "pipeline.documents",
    "pipeline.sandbox",
    "pipeline.sandbox_child",
    "pipeline.shards",
)
INGEST_LIBRARIES = (
    *("resiliparse", "trafilatura", "lxml", "pypdfium2", "rapidocr", "onnxruntime"),
    *("fasttext-community", "fonttools", "idna", "numpy", "publicsuffixlist", "pyarrow"),
    *("phonenumbers", "python-stdnum"),
)
BOILERPLATE_CODE = ("filters.boilerplate", "pipeline.boilerplate")
NOT_DECIDING = ("path", "plugins", "remote")
PACE = ".pace"
WRITE_CODE = (
    "pipeline.write",
    "pipeline.scrub",
    "pipeline.spans",
    "pipeline.documents",
    "pipeline.shards",
    "filters",
)


def ingest_jobs(recipe: Recipe) -> list[Job]:
    """One job per input file.

    Raises
    ------
    UserError
        When a path of the recipe matches no file.
    """
    code = code_version(INGEST_CODE, INGEST_LIBRARIES)
    lists, index = url_lists(recipe), recipe_index(recipe)
    scrub = scrub_arguments(recipe, index)
    shared = {name: {**_arguments(recipe, name, lists), "scrub": scrub} for name in recipe.sources}
    taken = Takedown.load(recipe.run_folder)
    jobs = []
    inputs = recipe.inputs()
    names = shard_names((item.source, item.container) for item in inputs)
    for item in inputs:
        source = item.source
        arguments = {**shared[source], "path": item.path, "container": item.container}
        config = {key: arguments[key] for key in sorted(arguments) if key not in NOT_DECIDING}
        config["url"], config["scrub"] = lists.digest, scrub_deciding(scrub)
        config["language"] = {**arguments["language"], "model": None}  # its checksum counts
        config["quality"] = deciding(arguments["quality"])
        config["plugins"] = [storage.checksum(plugin) for plugin in arguments["plugins"]]
        config["limits"] = _deciding(arguments["limits"])
        # taken-down rows are kept out, see `Takedown.stamp`
        arguments["takedown"] = recipe.run_folder if taken else None
        jobs.append(
            Job(
                root=recipe.run_folder,
                step="ingest",
                shard=f"source={source}/{names[source, item.container]}",
                address=taken.stamp(address("ingest", config, [item.fingerprint], code)),
                run=ingest,
                arguments=arguments,
                inputs=(item.fingerprint,),
                source=source,
                code=code,
                memory_mb=recipe.limits.pdf_memory_mb,
                weight=item.weight,
            )
        )
    return jobs


def boilerplate_jobs(recipe: Recipe, ingested: list[Row], attributes: dict[str, Row]) -> list[Job]:
    """One job per documents shard in which some host has enough pages; parameters as below."""
    code = code_version(BOILERPLATE_CODE, ("numpy", "xxhash"))
    config, root = recipe.boilerplate.model_dump(), recipe.run_folder
    jobs = []
    for row in ingested if recipe.boilerplate.cut else ():
        if row.stats.get("host_pages", 0) < recipe.boilerplate.min_pages:
            continue
        files = row.files["documents"], attributes[row.shard].files["attributes"]
        inputs = tuple(file.checksum for file in files)
        paths = [storage.join(root, file.path) for file in files]
        jobs.append(
            Job(
                root=root,
                step="boilerplate",
                shard=row.shard,
                address=address("boilerplate", config, inputs, code),
                run=find_boilerplate,
                arguments={"documents": paths[0], "attributes": paths[1], "config": config},
                inputs=inputs,
                source=row.source,
                code=code,
                memory_mb=1024,
                weight=files[0].bytes,
            )
        )
    return jobs


def write_jobs(
    recipe: Recipe,
    ingested: list[Row],
    attributes: dict[str, Row],
    cuts: dict[str, Row],
    consent: dict[str, Row],
) -> list[Job]:
    """One job per part of each source.

    `attributes` maps each ingest shard to its dedup row, `cuts` some of them to the row that says
    what is cut, `consent` all or none to the row with their licences and opt-outs.
    """
    code = code_version(WRITE_CODE, ("pyarrow",))
    settings = recipe.write
    how = {"compression": settings.compression, "level": settings.level, "words": recipe.words}
    how["scrub"] = scrub_actions(recipe)
    jobs = []
    for source in sorted(recipe.sources):
        rows = [row for row in ingested if row.source == source]
        for number, part in enumerate(plan_parts(rows, settings.shard_mb * 1_000_000)):
            files = []
            for row in part:
                own = {"documents": row.files["documents"]}
                own["attributes"] = attributes[row.shard].files["attributes"]
                if found := cuts.get(row.shard):
                    own["cuts"] = found.files.get("cuts") or found.files["boilerplate"]
                if row.shard in consent:
                    own["consent"] = consent[row.shard].files["consent"]
                files.append(own)
            inputs = tuple(
                f"{row.shard}//{kind}:{file.checksum}"
                for row, own in zip(part, files, strict=True)
                for kind, file in own.items()
            )
            root = recipe.run_folder
            jobs.append(
                Job(
                    root=root,
                    step="write",
                    shard=f"source={source}/part-{number:05d}",
                    address=address("write", how, inputs, code),
                    run=write_part,
                    arguments={
                        **how,
                        "buffer_mb": recipe.limits.buffer_mb,
                        "parts": [
                            {kind: storage.join(root, file.path) for kind, file in own.items()}
                            for own in files
                        ],
                    },
                    inputs=inputs,
                    source=source,
                    code=code,
                    memory_mb=2 * recipe.limits.buffer_mb,
                )
            )
    return jobs


def shard_names(inputs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The names of shards by source and container of their inputs, no two of a source alike."""
    names = {(source, container): shard_name(container) for source, container in inputs}
    times = Counter((source, name) for (source, _), name in names.items())
    return {
        (source, container): name if times[source, name] == 1 else shard_name(container, 16)
        for (source, container), name in names.items()
    }


def shard_name(container: str, digits: int = 8) -> str:
    """File name for the shard of one input: readable, and told apart by a hash of its path."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", posixpath.basename(container))[-80:].strip("._-")
    return f"{stem or 'input'}-{xxhash.xxh3_64_hexdigest(container.encode())[:digits]}"


def _arguments(recipe: Recipe, name: str, lists: UrlLists) -> dict[str, Any]:
    source = recipe.sources[name]
    pace = storage.join(recipe.run_folder, PACE)
    base = {"base": storage.join(recipe.base, source.base or ".")} if source.selection else {}
    return {
        "source": name,
        "reader": source.reader,
        "options": source.options,
        **base,
        "remote": {**recipe.patience.model_dump(), "folder": pace},
        "license": source.license,
        "extract": recipe.extract_of(name).model_dump(),
        "ocr": recipe.ocr.model_dump(),
        "language": language_arguments(recipe, name),
        "url": {"lists": lists.path(recipe.run_folder), "digest": lists.digest},
        "words": recipe.words,
        "quality": quality_arguments(recipe, name),
        # the thresholds themselves, so that a preset edited under its name is another address
        "filters": [
            [preset.name, [list(rule) for rule in preset.rules]]
            for preset in (load_preset(*spec) for spec in recipe.filters_of(name))
        ],
        "limits": recipe.limits.model_dump(),
        "plugins": [storage.join(recipe.base, plugin) for plugin in recipe.plugins],
    }


def _deciding(limits: dict[str, Any]) -> dict[str, Any]:
    """The limits that can change what becomes of a document."""
    names = ("seconds", "pdf_seconds", "memory_mb", "pdf_memory_mb", "max_bytes", "max_pdf_bytes")
    return {name: limits[name] for name in names}

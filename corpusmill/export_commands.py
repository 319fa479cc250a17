"""export: the mix as training shards."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from catalogs.errors import UserError
from corpusmill.options import Address, Workers, parse_tokens
from corpusmill.terminal import errors, output, progress, show_table, size


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Mix")(export)


def export(
    mixture: Annotated[
        str,
        typer.Argument(
            help="A study or its folder, its mixture.json, or a mixture file.", metavar="MIXTURE"
        ),
    ],
    tokens: Annotated[
        str | None, typer.Option(help="Training tokens, such as 10B; default the mixture's.")
    ] = None,
    format: Annotated[
        str, typer.Option(help="parquet, jsonl.zst, megatron, mds or npy.")
    ] = "parquet",
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="A tokenizer.json, or 'bytes'; default the mixture's for tokenised formats."
        ),
    ] = None,
    context: Annotated[
        int, typer.Option(min=1, help="Tokens to a sequence of mds and npy.")
    ] = 2048,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw and of the order.")] = 0,
    out: Annotated[
        str | None, typer.Option(help="Folder to write; default NAME-FORMAT in its root.")
    ] = None,
    max_epochs: Annotated[
        float | None, typer.Option(help="Epochs of a domain at most, instead of the mixture's.")
    ] = None,
    shard_tokens: Annotated[str, typer.Option(help="Tokens to a shard, about.")] = "32M",
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Write a mixture as training shards: drawn, repeated, tokenised, packed and shuffled.

    Texts (parquet, jsonl.zst) are counted by the catalogue's estimate unless a tokenizer is given,
    the other formats by their tokenizer. OUT/manifest.json proves the shares; OUT/trace/ names the
    documents of every sequence. Run it again to go on after a kill; check it with corpusmill audit.

    Example: corpusmill export runs/demo-mix --tokens 2M --format npy --context 512
    """
    from mixing.export.flow import run_export
    from mixing.export.formats import FORMATS
    from mixing.export.mixture import load_mixture
    from mixing.export.options import Options
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    loaded = load_mixture(mixture)
    wanted = parse_tokens("--tokens", tokens) if tokens is not None else loaded.tokens
    if wanted is None:
        raise UserError(f"{mixture}: names no number of tokens; give --tokens, such as 10B")
    if max_epochs is not None and max_epochs <= 0:
        raise UserError(f"--max-epochs {max_epochs:g}: expected a number above 0")
    form = FORMATS.get(format)
    if tokenizer is None and form and form.tokenised and loaded.tokenizer:
        own = loaded.tokenizer
        tokenizer = own if own == "bytes" else loaded.path(own)
    options = Options(
        tokens=wanted,
        format=format,
        tokenizer=tokenizer,
        context=context,
        seed=seed,
        shard_tokens=parse_tokens("--shard-tokens", shard_tokens),
        max_epochs=max_epochs,
    )
    folder = out or os.path.relpath(loaded.path(f"{loaded.name}-{format}"))
    settings = Settings(workers=workers, address=address)
    result = run_export(loaded, options, folder, settings, Progress(progress))
    show_export(result.manifest, folder)
    if result.done:
        again = f", {result.skipped} were committed before" if result.skipped else ""
        output.print(f"{result.done} jobs done in {result.seconds:.1f} s{again}")
    else:
        output.print(f"nothing to do: all {result.skipped} jobs were already committed")


def show_export(manifest: dict[str, Any], folder: str) -> None:
    """Print what was asked and achieved, and where it is."""
    from mixing.export.formats import FORMATS

    body = [
        [
            name,
            f"{domain['asked']:.2%}",
            f"{domain['achieved']:.2%}",
            domain["tokens"],
            domain["available_tokens"],
            domain["documents"],
            domain["available_documents"],
            f"{domain['epochs']:.2f}",
            domain["most_copies"],
        ]
        for name, domain in manifest["domains"].items()
    ]
    columns = ["domain", "asked", "achieved", "tokens", "available", "documents", "of", "epochs",
               "most"]  # fmt: skip
    how = "the catalogue's estimate"
    if manifest["tokenizer"]:
        one = manifest["tokenizer"]
        how = f"{one['file']} ({one['vocab_size']:,} ids, {one['fingerprint'][:8]})"
    show_table(f"Shares of tokens, counted by {how}", columns, body, " ".join(columns[1:]))
    files = [file for shard in manifest["shards"] for file in shard["files"].values()]
    held = manifest["held_out_documents"]
    sequences = f"{manifest['sequences']:,} sequences"
    if manifest["context"]:
        sequences += f" of {manifest['context']:,} ({manifest['padding']:,} tokens of padding)"
    output.print(
        f"{manifest['tokens']:,} of {manifest['tokens_asked']:,} tokens, {sequences}, "
        f"{len(manifest['shards'])} shards, {size(sum(file['bytes'] for file in files))}"
        + (f"; {held:,} documents are held out for evaluation" if held else ""),
        soft_wrap=True,
    )
    for name, domain in manifest["domains"].items():
        off = abs(domain["tokens"] - domain["tokens_asked"])
        if off > 0.01 * domain["tokens_asked"]:
            errors.print(
                f"note: domain '{name}' has {domain['tokens']:,} tokens instead of "
                f"{domain['tokens_asked']:,}, because documents are exported whole",
                markup=False,
                soft_wrap=True,
            )
    output.print(
        f"shards: {os.path.join(folder, manifest['folder'])} ({FORMATS[manifest['format']].opens})",
        markup=False,
        soft_wrap=True,
    )


def audit_export(folder: str) -> None:
    """Verify an export and print what its shares are by count."""
    from mixing.export.audit import audit_export as audit
    from mixing.export.manifest import read_manifest
    from pipeline.progress import Progress

    count = len(read_manifest(folder)["shards"])
    with Progress(progress).pages("audit", count) as advance:
        result = audit(folder, each=lambda shard: advance(1))
    total = max(sum(result.tokens.values()), 1)
    body = [
        [name, f"{domain['asked']:.2%}", f"{result.tokens[name] / total:.2%}", result.tokens[name]]
        for name, domain in result.manifest["domains"].items()
    ]
    columns = ["domain", "asked", "counted", "tokens"]
    show_table("Shares of tokens, counted again", columns, body, " ".join(columns[1:]))
    output.print(
        f"{result.shards} shards, {result.files} files, {size(result.bytes)} verified; "
        f"{result.compared} pieces compared with their documents",
        soft_wrap=True,
    )
    for run in result.unseen:
        errors.print(f"note: {run}: not there, so no piece of it was compared", soft_wrap=True)
    for problem in result.problems:
        errors.print(f"[red]damaged:[/red] {problem}", soft_wrap=True)
    if result.problems:
        raise typer.Exit(1)
    output.print("the shares hold, and every copy of a document is there once and whole")

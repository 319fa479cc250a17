"""``corpusmill``: every verb, and how errors are told.

Exit codes: 0 done; 1 the work failed or files are damaged; 2 something the user can mend;
130 interrupted.
"""

from __future__ import annotations

import os
import sys

import typer

from catalogs.errors import DamageError, UserError
from catalogs.faults import RemoteError
from corpusmill import (
    classifier_commands,
    contamination_commands,
    dedup_commands,
    export_commands,
    feature_commands,
    mix_commands,
    ocr_commands,
    parse_commands,
    query_commands,
    run_commands,
    takedown_commands,
    tune_commands,
)
from corpusmill.terminal import errors

app = typer.Typer(
    name="corpusmill",
    help="From raw crawl and PDFs to a defended training mix: mill, catalogue, mix, report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
run_commands.register(app)
dedup_commands.register(app)
export_commands.register(app)
query_commands.register(app)
takedown_commands.register(app)
tune_commands.register(app)
contamination_commands.register(app)
parse_commands.register(app)
ocr_commands.register(app)
feature_commands.register(app)
app.add_typer(classifier_commands.app, name="classifier")
app.add_typer(mix_commands.app, name="mix")


def main() -> None:
    """Entry point: run a verb and turn expected errors into one clear line."""
    from pipeline.schedule import RunError

    try:
        app()
    except UserError as error:
        _tell("error", error)
        sys.exit(2)
    except (RunError, DamageError, RemoteError) as error:
        _tell("failed", error)
        sys.exit(1)
    except KeyboardInterrupt:
        _tell("interrupted", "run the same command again to go on where it stopped")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # of a file; its place in the code would help nobody
        if not (error.filename or isinstance(error, FileNotFoundError | PermissionError)):
            raise
        _tell("error", f"{error.filename}: {error.strerror}" if error.filename else error)
        sys.exit(2)
    except Exception as error:
        if not _of_a_shard(error):
            raise
        _tell("failed", f"{str(error).splitlines()[0]}; corpusmill audit RUN names damaged files")
        sys.exit(1)


def _of_a_shard(error: Exception) -> bool:
    """Whether Arrow or DuckDB could not read a file; neither is loaded for the sake of asking."""
    known = {"pyarrow": ("ArrowInvalid",), "duckdb": ("IOException", "InvalidInputException")}
    return any(
        isinstance(error, getattr(sys.modules[module], name))
        for module, names in known.items()
        if module in sys.modules
        for name in names
    )


def _tell(kind: str, message: object) -> None:
    for line in str(message).splitlines():
        errors.print(f"[red]{kind}:[/red]", end=" ")
        errors.print(line, markup=False, highlight=False, soft_wrap=True)

"""The command line: ``cxr-node …``, one module for each group of commands.

Errors are one line on standard error: exit status 2 when the command line or the
configuration is wrong, 1 for anything else, never a traceback.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import Any

import click

from dicom_node import __version__
from dicom_node.cli.terminal.words import did_you_mean
from dicom_node.errors import NodeError, SettingsInvalid
from inference.errors import InferenceError
from storage.errors import StorageError

MODULES: Mapping[str, tuple[str, str]] = {
    "init": ("site.init", "Set a node up: five questions, or flags."),
    "serve": ("running", "Run the node until SIGTERM or Ctrl-C."),
    "doctor": ("checks", "Check everything that a deployment needs."),
    "analyze": ("analysis", "Analyse DICOM files, without network or database."),
    "eligibility": ("eligibility", "Say what the rules make of a folder of headers."),
    "jobs": ("jobs", "List, show, retry, reprocess and cancel jobs."),
    "instances": ("instances", "List and show every image received."),
    "recall": ("recall", "Call back all results of a bad model."),
    "users": ("site.users", "List, add and remove local users."),
    "keys": ("site.keys", "List, add and revoke API keys."),
    "audit": ("site.audit", "List and verify the audit trail."),
    "send": ("network", "Send DICOM files by C-STORE."),
    "echo": ("network", "Ask a peer by C-ECHO whether it is there."),
    "erase": ("site.erase", "Remove everything about one patient here."),
    "retention": ("site.retention", "Say what retention would remove by now."),
    "backup": ("site.backup", "Copy database and objects while the node runs."),
    "restore": ("site.backup", "Put such a copy in the place of the node's data."),
    "fetch": ("fetch", "Have a PACS send old studies here."),
    "adopt": ("site.adopt", "Take images of the store into a database that lost them."),
    "objects": ("site.objects", "Copy the object store to a bucket, or back."),
    "migrate": ("running", "Bring the database to the current schema."),
    "model": ("models", "List, verify and choose models."),
    "train": ("learning.training", "Train a model by recipe."),
    "evaluate": ("learning.training", "Measure a model on annotated films."),
    "export": ("learning.training", "Turn a checkpoint into a model folder."),
    "tune": ("learning.training", "Fix a model's thresholds on validation films."),
    "card": ("learning.training", "Write a model's card from what was measured."),
    "crossvalidate": ("learning.comparing", "Measure one model per held-out fold."),
    "compare": ("learning.comparing", "Tabulate training runs side by side."),
    "recipes": ("learning.exploring", "List the recipes: source, gives, lacks."),
    "explore": ("learning.exploring", "Write one page about annotated films."),
    "bench-models": ("learning.exploring", "Compare every recipe under one budget."),
    "conformance": ("conformance", "Print the DICOM Conformance Statement."),
    "demo": ("demo", "Send a radiograph through a node of its own."),
}
"""Command -> the module that holds it, imported when it is asked for; and its help."""


class Commands(click.Group):
    """Turns our errors into one line and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the manual."""
        del ctx
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in MODULES:
            return None
        module = import_module(f"{__name__}.{MODULES[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or name the one that may be meant."""
        if args and not args[0].startswith("-") and args[0] not in MODULES:
            meant = did_you_mean(args[0], MODULES)
            ctx.fail(f"no such command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in MODULES.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SettingsInvalid as error:
            raise _UsageRefusal(str(error)) from error
        except (NodeError, InferenceError, StorageError) as error:
            raise _Refusal(str(error)) from error
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.filename:
                raise _Refusal(f"no such file: {error.filename}") from error
            place = f"{error.filename}: " if error.filename else ""
            raise _Refusal(f"{place}{error.strerror or error}") from error


class _Refusal(click.ClickException):
    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))

    def show(self, file: Any = None) -> None:
        """Write the line."""
        click.echo(f"cxr-node: {self.message}", file=file or sys.stderr)


class _UsageRefusal(_Refusal):
    exit_code = 2


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="cxr-node")
def cli() -> None:
    """Outline lung opacities on chest radiographs and return SEG and SR to the PACS."""


def main() -> None:
    """Run the command line."""
    sys.excepthook = _one_line
    cli(prog_name="cxr-node")


def _one_line(
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    """Tell of a bug: its class and place, but no values, which may be a patient's."""
    del error
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    place = ""
    if traceback:
        code = traceback.tb_frame.f_code
        place = f" at {code.co_filename}:{traceback.tb_lineno}"
    click.echo(f"cxr-node: internal error: {kind.__name__}{place}", err=True)

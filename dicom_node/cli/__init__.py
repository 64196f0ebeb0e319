"""The command line: ``cxr-node …``, one module for each group of commands.

Errors are one line on standard error: exit status 2 when the command line or the
configuration is wrong, 1 for anything else, never a traceback.
"""

import sys
from types import TracebackType
from typing import Any

import click

from dicom_node import __version__
from dicom_node.cli import (
    analysis,
    checks,
    conformance,
    demonstration,
    jobs,
    models,
    network,
    running,
    training,
)
from dicom_node.errors import NodeError, SettingsInvalid
from inference.errors import InferenceError
from storage.errors import StorageError


class Commands(click.Group):
    """Turns our errors into one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SettingsInvalid as error:
            raise _UsageRefusal(str(error)) from error
        except (NodeError, InferenceError, StorageError) as error:
            raise _Refusal(str(error)) from error
        except OSError as error:
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


for command in (
    running.serve,
    running.migrate,
    checks.doctor,
    analysis.analyze,
    jobs.jobs,
    network.send,
    network.echo,
    models.model,
    training.train,
    training.evaluate,
    training.export,
    conformance.conformance,
    demonstration.demo,
):
    cli.add_command(command)


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

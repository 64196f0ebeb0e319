"""``conformance``: the DICOM Conformance Statement, from what the code accepts."""

import click

from dicom_node.node.conformance import statement


@click.command()
def conformance() -> None:
    """Print the DICOM Conformance Statement (Markdown)."""
    click.echo(statement.write(), nl=False)

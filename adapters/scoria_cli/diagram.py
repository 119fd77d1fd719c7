"""`scoria diagram`: the lifecycles as Mermaid state diagrams."""

import click

from scoria_cli import mermaid
from scoria_core.lifecycles import MACHINES


@click.command()
@click.argument("subject", type=click.Choice([*MACHINES, "all"]), default="all")
def diagram(subject: str) -> None:
    """Print the lifecycle of SUBJECT (all by default) as a Mermaid state diagram."""
    click.echo(mermaid.all_diagrams() if subject == "all" else mermaid.diagram(subject))

"""The templates of what the bench reports, filled in."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(template: str, **told: object) -> str:
    """Return a template of the bench as Markdown, with what it is told."""
    environment = Environment(  # noqa: S701 - Markdown, of our own words and numbers
        loader=PackageLoader("lab.bench"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(**told)

"""Pages from templates that come with the package; the only file that imports jinja2."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import trichord
from trichord.optional import require
from trichord.reports import numbers
from trichord.reports.remarks import show_value

if TYPE_CHECKING:
    from jinja2 import Environment

PURPOSE = "writing an HTML report"


def render(template: str, *, title: str, figures: dict[str, str | None], **context: Any) -> str:
    """Fill a template of this package with the styles of every page.

    Every text is escaped: labels, ids and paths are foreign. A name that the template knows and nobody gave is an
    error.

    Args:
        template: its file name.
        title: title of the page.
        figures: name -> SVG, which is put in as it is; None where there is nothing to draw.
        context: everything else that the template names.

    Raises:
        TrichordError: jinja2 is not installed.
    """
    jinja = require("jinja2", "report", PURPOSE)
    markup = require("markupsafe", "report", PURPOSE).Markup
    folder = files("trichord.reports")

    def source(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    loader = jinja.FunctionLoader(source)
    environment: Environment = jinja.Environment(autoescape=True, undefined=jinja.StrictUndefined, loader=loader)
    environment.globals.update(
        show=numbers.show, show_range=numbers.show_range, show_signed=numbers.show_signed, show_value=show_value
    )
    css = markup(source("page.css"))
    drawn = {name: None if svg is None else markup(svg) for name, svg in figures.items()}
    page = environment.get_template(template)
    filled = page.render(title=title, css=css, figures=drawn, version=trichord.__version__, **context)
    return f"{filled}\n"

"""One HTML page that needs nothing from anywhere, as reports are: `render(title, body, **values)`, `write_page(path, page)`.

    page = render("Calibration of go2", "<h1>{{ robot }}</h1><img src='{{ bars }}'>", robot="go2", bars=data_uri(figure))
    write_page(Path("runs/calibration/report.html"), page)

What logs and robots are called is text of strangers: all values are escaped, nothing is run and nothing is fetched.
"""

import base64
import io
from pathlib import Path
from typing import Any

from assets.errors import UserError
from assets.whole_file import whole_file

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<title>{{ page_title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid #e4e4e4; vertical-align: top }
td.n, th.n { text-align: right } th { font-weight: 600; color: #555 }
img, video { max-width: 100%; display: block; margin: .6rem 0 } .lead { font-size: 1.1rem }
.good { color: #1a7f37 } .fair { color: #9a6700 } .bad { color: #b42318 }
.warning { background: #fff6e0; border-left: 3px solid #d99a00; padding: .3rem .8rem; margin: .4rem 0 }
code { font-size: .85rem; overflow-wrap: anywhere } .quiet { color: #666 }
</style>
{% block body %}{% endblock %}
</html>
"""


class PageError(UserError, RuntimeError):
    """A page cannot be written."""


def render(title: str, body: str, **values: Any) -> str:
    """The page; `body` is a Jinja template of the values."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    body = f'{{% extends "page" %}}{{% block body %}}{body}{{% endblock %}}'
    environment = Environment(
        loader=DictLoader({"page": _PAGE, "body": body}), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("body").render(page_title=title, **values)


def data_uri(figure: Any) -> str:
    """A figure of matplotlib as the source of an image."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


def write_page(path: Path, page: str) -> None:
    """Whole or not at all. Raises PageError where it cannot."""
    with whole_file(path, PageError) as partial:
        partial.write_text(page, encoding="utf-8")

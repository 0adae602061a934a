"""Pages from templates: static files that open from the disk and ask for nothing elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..utils.files import write_atomically

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, template: str, **context: Any) -> None:
    """Render a template into a file; a page that is there stays whole until the new one is.

    Args:
        path: the file to write.
        template: name of a file in ``templates``.
        context: names that the template uses; an unknown name is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "sort_keys": False}
    page = environment.get_template(template).render(**context)
    write_atomically(path, page.encode("utf-8"))

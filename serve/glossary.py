"""Terms of the pages: each leads to what it means, a column of the dictionary or a word of the glossary.

Input: `glossary.toml` and the declarations of tables. Output: `term`, for templates; `WORDS`.
"""

import tomllib
from pathlib import Path

from flask import request
from markupsafe import Markup

from serve.pages import blueprint
from warehouse.schema import PLAN_TABLES, TABLES

WORDS: dict[str, str] = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text("utf-8"))[
    "words"
]
"""What words mean that no column explains alone."""

COLUMNS = {
    f"{table.name}.{column}" for table in (*TABLES, *PLAN_TABLES) for column in table.column_names
}


@blueprint.app_template_filter("anchor")
def name_anchor(word: str) -> str:
    """Return the name of a word's entry in an address."""
    return "-".join(word.replace("/", " ").split())


@blueprint.app_template_global("term")
def link_term(label: str, meaning: str) -> Markup:
    """Return a link from a term to its meaning: `table.column`, or `#word` of the glossary.

    Raises `KeyError` for a meaning that is nowhere.
    """
    if meaning.startswith("#") and meaning[1:] in WORDS:
        target = f"#{name_anchor(meaning[1:])}"
    elif meaning in COLUMNS:
        target = "?table={}#{}".format(*meaning.split("."))
    else:
        raise KeyError(meaning)
    address = f"{request.script_root}/data/dictionary{target}"
    return Markup('<a class="term" href="{}">{}</a>').format(address, label)

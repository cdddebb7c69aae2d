"""`make deploy-tabpy`: gives the functions of `serve.tabpy_functions` to a running TabPy.

Input: the addresses of TabPy and of the API as TabPy reaches it, `TABPY_USER` and `TABPY_PASSWORD`.
Output: four endpoints, tried once. The text of the functions is sent and TabPy pickles them itself:
neither its machine needs this repository, nor does this one need TabPy.
"""

import os
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from serve.evaluate import FUNCTIONS
from serve.start_tabpy import DEFAULT_PORT, DEFAULT_USER
from serve.tabpy_functions import API
from warehouse.command import CommandParser, parse_text, run_command
from warehouse.errors import ShieldError

FUNCTIONS_FILE = Path(__file__).with_name("tabpy_functions.py")
TIMEOUT = 5, 60
"""Seconds to reach TabPy, and for it to answer: it waits one for each function."""

DEPLOY = """
import base64
from tabpy.tabpy_tools.client import Client
functions = {"__name__": "atlshield_functions"}
exec(_arg1, functions)
functions["API"] = _arg2
client = Client(f"{tabpy.protocol}://localhost:{tabpy.port}/")
_, _, credentials = tabpy.headers.get("Authorization", "").partition(" ")
if credentials:
    client.set_credentials(*base64.b64decode(credentials).decode().split(":"))
for name in _arg3:
    summary = functions[name].__doc__.partition(".")[0]
    client.deploy(name, functions[name], summary, override=True, is_public=True)
return _arg3
"""
"""What TabPy runs. It takes the password from the request, as a script is logged. The functions belong
to no module that could be imported: so the pickle holds all that they need."""

TRY = "return tabpy.query('average_daily_crime', ['Downtown'], [1])"


def main(arguments: list[str] | None = None) -> int:
    """Deploy the functions; return the exit code."""
    parser = CommandParser(prog="python -m serve.deploy_tabpy", description=__doc__)
    parser.add_argument("--tabpy", type=parse_text, default=f"http://127.0.0.1:{DEFAULT_PORT}")
    parser.add_argument("--api", type=parse_text, default=API, help="address of the API for TabPy")
    options = parser.parse_args(arguments)
    return run_command(lambda: deploy(options.tabpy.rstrip("/"), options.api.rstrip("/")))


def deploy(tabpy: str, api: str) -> None:
    """Deploy the functions, and ask one of them.

    Raises `ShieldError` where TabPy cannot be reached or refuses, or a function gets no answer.
    """
    for name, address in (("--tabpy", tabpy), ("--api", api)):
        if not re.fullmatch(r"https?://[\w.\[\]:-]+(/[\w./-]*)?", address):
            raise ShieldError(f"{name}: expected an address like {API}, found {address!r:.100}")
    names = [*FUNCTIONS]
    deployed = run(tabpy, DEPLOY, FUNCTIONS_FILE.read_text(), api, names)
    if deployed != names:
        raise ShieldError(f"TabPy at {tabpy}: expected {names}, found {deployed!r:.200}")
    print(f"deployed to {tabpy}: {', '.join(names)}")
    answer = run(tabpy, TRY)
    if not isinstance(answer, dict) or "response" not in answer:
        raise ShieldError(f"the functions are deployed, but TabPy gets no answer: {answer!r:.500}")
    print(f"TabPy reaches the API at {api}")


def run(tabpy: str, script: str, *arguments: Any) -> Any:  # noqa: ANN401  # JSON
    """Return what a script gives that TabPy runs. Raises `ShieldError`."""
    user, password = os.environ.get("TABPY_USER", DEFAULT_USER), os.environ.get("TABPY_PASSWORD")
    data = {f"_arg{number}": each for number, each in enumerate(arguments, start=1)}
    try:
        answer = requests.post(
            f"{tabpy}/evaluate", json={"script": script, "data": data}, timeout=TIMEOUT,
            auth=(user, password) if password else None, allow_redirects=False,
        )  # fmt: skip
    except requests.RequestException as error:
        raise ShieldError(f"TabPy at {tabpy} cannot be reached: {type(error).__name__}") from error
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_ACCEPTABLE}:
        raise ShieldError(f"TabPy at {tabpy} refuses this TABPY_USER and TABPY_PASSWORD")
    if answer.status_code != HTTPStatus.OK:
        raise ShieldError(f"TabPy at {tabpy} answers {answer.status_code}: {answer.text:.500}")
    try:
        return answer.json()
    except requests.JSONDecodeError as error:
        raise ShieldError(f"{tabpy} answers no JSON: is it TabPy?") from error


if __name__ == "__main__":
    sys.exit(main())

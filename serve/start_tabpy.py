"""`make tabpy`: TabPy where only this machine can reach it, and only with a password.

Input: a port, a folder for what TabPy keeps, `TABPY_USER` and `TABPY_PASSWORD`. Output: a TabPy server
on 127.0.0.1 until SIGTERM or Ctrl-C. It runs in an environment of its own, `requirements-tabpy.lock`,
and imports nothing of ours. Who may call `/evaluate` of a TabPy runs any Python there, and TabPy 2.16
has no setting for the address: left alone it listens on all of them.
"""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

ADDRESS, DEFAULT_PORT = "127.0.0.1", 9004
STATE = Path(__file__).resolve().parent.parent / "data" / "tabpy"
STATE_FORM = re.compile(r"[\w~\s/.()-]+", re.ASCII)
"""What TabPy takes for the path of a function that is deployed."""

DEFAULT_USER = "tableau"
MIN_PASSWORD_LENGTH = 12

CONFIG = """[TabPy]
TABPY_PORT = {port}
TABPY_STATE_PATH = {state}
TABPY_QUERY_OBJECT_PATH = {state}/query_objects
TABPY_PWD_FILE = {state}/passwords
TABPY_MAX_REQUEST_SIZE_MB = 16
[loggers]
keys = root
[handlers]
keys = stderr
[formatters]
keys = line
[logger_root]
level = INFO
handlers = stderr
[handler_stderr]
class = StreamHandler
formatter = line
args = (sys.stderr,)
[formatter_line]
format = %(asctime)s %(levelname)s %(message)s
"""
"""Without loggers TabPy logs what is asked and answered."""


def main() -> None:
    """Run TabPy until it is stopped; end with a message where it cannot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--state", type=Path, default=STATE, help="folder for what TabPy keeps")
    options = parser.parse_args()
    os.umask(0o077)  # what is deployed, and hashes of passwords
    state = options.state.resolve()
    if not STATE_FORM.fullmatch(str(state)):
        sys.exit(f"--state: TabPy takes letters, digits and -_~.() in a path, found {state}")
    state.mkdir(parents=True, exist_ok=True)
    write_password(state / "passwords")
    config = state / "tabpy.conf"
    config.write_text(CONFIG.format(port=options.port, state=state))
    try:
        run(config)
    except OSError as error:
        sys.exit(f"TabPy cannot listen on {ADDRESS} port {options.port}: {error}")


def write_password(path: Path) -> None:
    """Write the hash of the password that the environment has, as `tabpy-user` would.

    That program takes it on its command line, where everybody sees it, and logs it. A file that is there
    stays where the environment has none; without either there is no start.
    """
    from tabpy.tabpy_server.handlers.util import hash_password

    user = os.environ.get("TABPY_USER", DEFAULT_USER).lower()
    password = os.environ.pop("TABPY_PASSWORD", "")  # scripts need not see it
    if not password and path.exists():
        return
    if len(password) < MIN_PASSWORD_LENGTH or not password.isprintable() or ":" in password:
        sys.exit(
            f"TABPY_PASSWORD: expected {MIN_PASSWORD_LENGTH} or more printable characters, no colon: "
            "TabPy does not start without a password"
        )
    if not user.isidentifier():
        sys.exit(f"TABPY_USER: expected letters and digits, found {user!r:.100}")
    path.write_text(f"{user} {hash_password(user, password)}\n")


def run(config: Path) -> None:
    """Run TabPy as its own command would, on the loopback address."""
    from tabpy.tabpy_server.app.app import TabPyApp
    from tornado.web import Application

    listen = Application.listen

    def listen_on_loopback(self: Any, port: int, **options: Any) -> Any:  # noqa: ANN401
        return listen(self, port, address=ADDRESS, **options)

    Application.listen = listen_on_loopback  # type: ignore[assignment, method-assign]
    TabPyApp(str(config), disable_auth_warning=False).run()


if __name__ == "__main__":
    main()

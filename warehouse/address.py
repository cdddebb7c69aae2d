"""Addresses of other machines' servers, as a person gives them.

Input: an address. Output: the address, or an error that repeats no password.
"""

from urllib.parse import urlsplit

from warehouse.errors import ShieldError

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def check_address(name: str, address: str, secret: str | None) -> str:
    """Return the address of a server: http or https, a host, perhaps a port and a path.

    Raises `ShieldError`, which calls it `name`, for any other, and for one over which the `secret` (what
    it is, None where none is sent) would go unencrypted to another machine.
    """
    if "@" in address:  # not repeated: a password may stand before it
        raise ShieldError(f"{name}: expected https://<host>, found a user name or a password in it")
    try:
        parts = urlsplit(address)
        _ = parts.port  # which may be no number
    except ValueError as error:
        raise ShieldError(f"{name}: {error}: {address!r}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ShieldError(f"{name}: expected https://<host>, found {address!r}")
    if secret and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ShieldError(f"{name}: {secret} goes over https only, found {address!r}")
    return address

"""The errors a user of the commands is shown as one line, without a traceback."""


class ShieldError(Exception):
    """Something a person can mend: the message says what, where, and what was expected."""


class SchemaError(ShieldError):
    """Rows or a build do not match the declarations of `warehouse.schema`."""


class NoBuildError(ShieldError):
    """There is no published build in the folder, or its pointer cannot be used."""

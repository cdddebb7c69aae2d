"""The service's log: one line of JSON per event on standard error, without personal data.

Input: what the program logs. Output: `at` (UTC), `level`, `logger`, `message`, and the fields of a
request: never a client's address, a body, a query or a key.
"""

import datetime as dt
import json
import logging
from typing import Any

FIELDS = "request"
"""The attribute of a log record that holds the fields of a request."""

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "serve.log.JsonFormatter"}},
    "loggers": {},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}
"""As `logging.config.dictConfig` takes it."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)

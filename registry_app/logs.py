"""How the service writes its log: plain lines for people, JSON lines for programs, always to standard error."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry_app.settings import LogSettings

LEVELS = {"error": "ERROR", "warn": "WARNING", "info": "INFO", "debug": "DEBUG"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Attributes that every record has; whatever else a record carries was given by `extra=` and is shown.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def values(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a line shows beyond time, level, logger and message."""
        given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        return {**self._fields, **given}


class JsonFormatter(_Formatter):
    """One JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.values(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(_Formatter):
    """Time, level, message, then `name=value` for the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; control characters are escaped, so a client can't forge lines."""
        values = " ".join(f"{name}={json.dumps(str(value))}" for name, value in self.values(record).items())
        message = _CONTROL.sub(lambda found: repr(found[0])[1:-1], record.getMessage())
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {message}"
        if values:
            line += f" {values}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def logging_configuration(settings: LogSettings) -> dict[str, Any]:
    """Configuration in the shape of `logging.config`, for gunicorn and for commands."""
    formatter = JsonFormatter if settings.json else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "fields": dict(settings.fields)}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "root": {"level": LEVELS[settings.level], "handlers": ["stderr"]},
        "loggers": {
            name: {"level": LEVELS[settings.level], "handlers": [], "propagate": True}
            for name in ("gunicorn.error", "gunicorn.access", "registry")
        }
        | {"registry.access": {"level": "INFO" if settings.access else "CRITICAL", "propagate": True}},
    }

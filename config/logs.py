"""Logging: structlog in front, JSON in production, and nothing secret in any line."""

from __future__ import annotations

import logging.config
from typing import Any

import structlog

from apps.core.redaction import RedactingFilter, redact_event

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.ExtraAdder(),
]


def logging_config(*, level: str, as_json: bool) -> dict[str, Any]:
    """The dictionary for `configure`: one handler on stderr, redacting, for every logger."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "redact": {"()": RedactingFilter},
            "count_cache_failures": {"()": "apps.core.cache.CountFailures"},
        },
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    # Before redaction: a traceback quotes addresses, and so keys.
                    structlog.processors.format_exc_info,
                    redact_event,
                    renderer,
                ],
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["redact"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "apps.core.cache": {"filters": ["count_cache_failures"]},
            "django.server": {"level": "INFO", "handlers": [], "propagate": True},
            "uvicorn.access": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """What Django calls with `LOGGING`; a worker calls it once more."""
    for name, wanted in config["loggers"].items():
        if "filters" in wanted:
            # `dictConfig` takes handlers away, but adds each filter to those of the last time.
            logging.getLogger(name).filters.clear()
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            *_SHARED[:-1],
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

"""Every exception midstream raises on purpose, as one tree.

    MidstreamError
    ├── RequestError          the caller's fault; carries the HTTP status it becomes
    │   └── TooManyRequests       429; says when to come again
    ├── Unavailable           a part we depend on is full, slow or gone; callers may retry
    │   ├── LogUnavailable        the event log
    │   ├── StoreUnavailable      the database
    │   └── RuntimeUnavailable    the JavaScript runtime
    ├── ConfigError           a setting is wrong; names the setting and where it came from (exit 78)
    └── Invalid               input that does not hold: a function, a folder, a settings value (exit 1)
        └── FqlError              a filter's condition that cannot be read; says where

A user function's failure is not here: it is an `Outcome`, a value.
"""

from __future__ import annotations

from collections.abc import Mapping


class MidstreamError(Exception):
    """Base of all exceptions raised on purpose. The message is safe to show: no secrets, no payloads."""


class RequestError(MidstreamError):
    """A request that cannot be served as it is; `status` is the HTTP status it becomes."""

    def __init__(self, status: int, reason: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.field = field


class TooManyRequests(RequestError):
    """Asked too often. `wait` is in seconds; `headers` tell the caller how they stand."""

    def __init__(self, detail: str, wait: int, headers: Mapping[str, str]) -> None:
        super().__init__(429, "RequestError", detail)
        self.wait = wait
        self.headers = headers


class Unavailable(MidstreamError):
    """A part we depend on cannot serve now. Trying again later is right."""


class LogUnavailable(Unavailable):
    """The event log is full, slow or gone. Nothing was promised to anyone."""


class StoreUnavailable(Unavailable):
    """The database cannot be reached or refused the statement."""


class RuntimeUnavailable(Unavailable):
    """The JavaScript runtime could not be started or used, through no fault of the function."""


class ConfigError(MidstreamError):
    """A setting cannot be used. The message names the setting, its origin, and what to do."""


class Invalid(MidstreamError):
    """Something a user wrote does not hold. `where` says in which file, table or field."""

    def __init__(self, message: str, where: str | None = None) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.detail = message
        self.where = where


class FqlError(Invalid):
    """A condition that is not FQL. `position` counts its characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position

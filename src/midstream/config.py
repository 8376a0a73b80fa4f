"""Every setting, read once at start: flag > MIDSTREAM_* > MIDSTREAM_*_FILE > midstream.toml > config.default.toml.

Leaves: a frozen `Config`. An unknown or unusable setting is a `ConfigError` that names it, where it came from, and the
nearest setting there is.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from midstream.domain.address import Entry
from midstream.domain.function import Limits
from midstream.domain.isolation import LAYERS
from midstream.domain.issuer import check_issuer
from midstream.domain.retry import RetryPolicy
from midstream.errors import ConfigError

PREFIX = "MIDSTREAM_"
# Read by commands that talk to a server, not by the server itself.
CLIENT_VARIABLES = frozenset(
    {"MIDSTREAM_WRITE_KEY", "MIDSTREAM_URL", "MIDSTREAM_TOKEN", "MIDSTREAM_TOKEN_FILE", "MIDSTREAM_CONFIG"}
)


def _listed(value: object) -> object:
    """Let a list be written as `a,b` where TOML's brackets are awkward, as in an environment variable."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _odd(value: int) -> int:
    if value not in (1, 3, 5):
        raise ValueError("must be 1, 3 or 5")
    return value


def _layers(value: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in value if name not in LAYERS]:
        raise ValueError(f"there is no layer {unknown[0]!r}; there are: {', '.join(LAYERS)}")
    return value


def _addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    # Here, too: of the processes that use them, each would end with this error, and be started again for ever.
    for each in value:
        try:
            Entry.of(each)
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        ip_network(each)  # whose ValueError says what it expects
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query):
        raise ValueError("must be a URL without a path, such as https://midstream.example.com")
    return value.rstrip("/")


def _with_issuer(value: str, info: ValidationInfo) -> str:
    if info.data.get("oidc_issuer") and not value:
        raise ValueError("is needed with oidc_issuer: it is what the provider calls midstream")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Config(BaseSettings):
    """All settings. What each is for stands in `config.default.toml`; nothing has a second default here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, enable_decoding=False)

    data_dir: Path
    host: str
    port: int = Field(ge=0, le=65535)
    database_url: str = Field(repr=False)
    nats_url: str = Field(repr=False)
    nats_server: str
    log_replicas: Annotated[int, AfterValidator(_odd)]
    log_max_age: float = Field(gt=0)
    log_max_bytes: int = Field(ge=1024 * 1024)
    retry_max_bytes: int = Field(ge=1024 * 1024)
    outcome_max_age: float = Field(gt=0)
    master_key: str = Field(repr=False)
    workers: int = Field(ge=1, le=256)
    ingest_queue_bytes: int = Field(ge=1024 * 1024)
    ingest_timeout: float = Field(gt=0)
    function_timeout: float = Field(gt=0, le=60)
    function_heap_mb: int = Field(ge=16)
    function_memory_mb: int = Field(ge=64)
    function_processes: int = Field(ge=1)
    function_idle: float = Field(gt=0)
    function_spare: bool
    function_isolation_require: Annotated[Names, AfterValidator(_layers)]
    deno: str
    batch_events: int = Field(ge=1, le=1000)
    batches_in_flight: int = Field(ge=1, le=64)
    retry_window: float = Field(gt=0)
    retry_attempts: int = Field(ge=1, le=100)
    retry_base: float = Field(gt=0)
    retry_cap: float = Field(gt=0)
    egress_allow: Annotated[Names, AfterValidator(_addresses)]
    egress_deny: Annotated[Names, AfterValidator(_addresses)]
    api_rate: int = Field(ge=1)
    trusted_proxies: Annotated[Names, AfterValidator(_networks)]
    public_url: Annotated[str, AfterValidator(_origin)]
    session_idle: float = Field(gt=0)
    session_max_age: float = Field(gt=0)
    oidc_issuer: Annotated[str, AfterValidator(lambda issuer: issuer and check_issuer(issuer))]
    oidc_client_id: Annotated[str, AfterValidator(_with_issuer)]
    oidc_client_secret: str = Field(repr=False)
    oidc_create_members: Names
    poll_interval: float = Field(gt=0, le=60)
    drain_timeout: float = Field(gt=0)
    audit_max_age: float = Field(gt=0)
    audit_source: str
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["console", "json"]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load` has layered: it also records where each value came from."""
        return (init_settings,)

    @property
    def sqlalchemy_url(self) -> str:
        """The database, SQLite in the data dir unless one is named."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'midstream.db').absolute()}"

    def make_data_dir(self) -> None:
        """Make the data dir, for its owner only, unless it is there. Raises `ConfigError`."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"data_dir {self.data_dir} cannot be used: {error.strerror}") from None

    @property
    def retry_policy(self) -> RetryPolicy:
        """The four retry numbers as the schedule takes them."""
        return RetryPolicy(
            window=timedelta(seconds=self.retry_window),
            attempts=self.retry_attempts,
            base=timedelta(seconds=self.retry_base),
            cap=timedelta(seconds=self.retry_cap),
        )

    @property
    def limits(self) -> Limits:
        """What one function instance may use."""
        return Limits(timeout=self.function_timeout, heap_mb=self.function_heap_mb, memory_mb=self.function_memory_mb)


def default_text() -> str:
    """Return config.default.toml, the reference."""
    return resources.files("midstream").joinpath("config.default.toml").read_text("utf-8")


def layers(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> dict[str, tuple[Any, str]]:
    """Return each setting's value and where it came from. Unknown names raise `ConfigError`."""
    found: dict[str, tuple[Any, str]] = {
        name: (value, "default") for name, value in tomllib.loads(default_text()).items()
    }
    if file is not None:
        found |= {_known(name, str(file)): (value, str(file)) for name, value in _read_toml(file).items()}
    variables = {
        name: value for name, value in environ.items() if name.startswith(PREFIX) and name not in CLIENT_VARIABLES
    }
    for name, value in sorted(variables.items()):
        if name.endswith("_FILE") and name.removesuffix("_FILE").removeprefix(PREFIX).lower() in Config.model_fields:
            setting = name.removesuffix("_FILE").removeprefix(PREFIX).lower()
            found[setting] = (_read_text(Path(value), name), f"{name}={value}")
    for name, value in variables.items():
        setting = name.removeprefix(PREFIX).lower()
        if not (name.endswith("_FILE") and setting.removesuffix("_file") in Config.model_fields):
            found[_known(setting, f"the environment ({name})")] = (value, name)
    found |= {
        _known(name, "the command line"): (value, f"--{name.replace('_', '-')}")
        for name, value in flags.items()
        if value is not None
    }
    return found


def load(
    flags: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None, file: Path | None = None
) -> Config:
    """Read and check all settings. `file` defaults to ./midstream.toml where there is one, or $MIDSTREAM_CONFIG."""
    environ = os.environ if environ is None else environ
    if file is None:
        named = environ.get("MIDSTREAM_CONFIG")
        file = Path(named) if named else Path("midstream.toml") if Path("midstream.toml").is_file() else None
    found = layers(flags or {}, environ, file)
    try:
        return Config(**{name: value for name, (value, _) in found.items()})
    except ValidationError as error:
        raise ConfigError(_explain(error, found)) from None


def _explain(error: ValidationError, found: Mapping[str, tuple[Any, str]]) -> str:
    """Say every fault in one line each. The value itself is not repeated: it may be a secret."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(fault["loc"][0]) if fault["loc"] else "?"
        lines.append(f"{name} (from {found[name][1] if name in found else 'nowhere'}): {fault['msg']}")
    return "; ".join(lines)


def _known(name: str, origin: str) -> str:
    if name in Config.model_fields:
        return name
    near = get_close_matches(name, Config.model_fields, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " `midstream config show` lists them all."
    raise ConfigError(f"unknown setting {name!r} in {origin}.{hint}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _read_text(path: Path, variable: str) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{variable} names {path}, which cannot be read: {error.strerror}") from None

"""Settings are layered, and whatever is wrong with one is said with its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstream.config import load
from midstream.errors import ConfigError


def test_a_flag_wins_over_the_environment_over_a_file_over_the_configuration_file(tmp_path: Path) -> None:
    toml = tmp_path / "midstream.toml"
    toml.write_text('host = "10.0.0.1"\nport = 1\nworkers = 2\nretry_attempts = 3')
    (tmp_path / "port").write_text("2\n")
    (tmp_path / "host").write_text("10.0.0.2")
    environ = {
        "MIDSTREAM_PORT": "3",
        "MIDSTREAM_PORT_FILE": str(tmp_path / "port"),
        "MIDSTREAM_HOST_FILE": str(tmp_path / "host"),
        "MIDSTREAM_WORKERS": "4",
    }
    config = load({"workers": 5}, environ=environ, file=toml)
    assert (config.port, config.host, config.workers, config.retry_attempts, config.batch_events) == (
        3,
        "10.0.0.2",
        5,
        3,
        200,
    )


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"MIDSTREAM_PROT": "1"}, "unknown setting 'prot' in the environment (MIDSTREAM_PROT). Did you mean 'port'?"),
        ({"MIDSTREAM_PORT": "many"}, "port (from MIDSTREAM_PORT): "),
        ({"MIDSTREAM_PORT": "70000"}, "less than or equal to 65535"),
        (
            {"MIDSTREAM_FUNCTION_ISOLATION_REQUIRE": "landlock,secomp"},
            "function_isolation_require (from MIDSTREAM_FUNCTION_ISOLATION_REQUIRE): Value error, there is no layer "
            "'secomp'; there are: no_new_privs, ",
        ),
        ({"MIDSTREAM_OIDC_ISSUER": "http://login.example.com"}, "oidc_issuer (from MIDSTREAM_OIDC_ISSUER): "),
        ({"MIDSTREAM_OIDC_ISSUER": "https://login.example.com"}, "oidc_client_id (from default): "),
        ({"MIDSTREAM_PUBLIC_URL": "midstream.example.com"}, "such as https://midstream.example.com"),
        ({"MIDSTREAM_PUBLIC_URL": "https://example.com/midstream"}, "without a path"),
        ({"MIDSTREAM_TRUSTED_PROXIES": "10.0.0.1,proxy"}, "trusted_proxies (from MIDSTREAM_TRUSTED_PROXIES): "),
        ({"MIDSTREAM_EGRESS_ALLOW": "10.0.0.1,10.0.0.0/99"}, "egress_allow (from MIDSTREAM_EGRESS_ALLOW): "),
        ({"MIDSTREAM_EGRESS_DENY": "a b"}, "got 'a b'"),
        ({"MIDSTREAM_LOG_REPLICAS": "2"}, "log_replicas (from MIDSTREAM_LOG_REPLICAS): "),
        ({"MIDSTREAM_PORT_FILE": "/does/not/exist"}, "MIDSTREAM_PORT_FILE names /does/not/exist, which cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_with_where_it_came_from(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environ=environ)
    assert said in str(caught.value)


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    toml = tmp_path / "midstream.toml"
    toml.write_text("worker = 2")
    with pytest.raises(ConfigError, match="Did you mean 'workers'"):
        load({}, environ={}, file=toml)


def test_a_wrong_value_is_not_repeated_since_it_may_be_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environ={"MIDSTREAM_PORT": "hunter2-secret"})
    assert "hunter2" not in str(caught.value)


def test_lists_are_written_with_commas_in_the_environment() -> None:
    assert load({}, environ={"MIDSTREAM_EGRESS_ALLOW": "10.0.0.0/8, localhost"}).egress_allow == (
        "10.0.0.0/8",
        "localhost",
    )

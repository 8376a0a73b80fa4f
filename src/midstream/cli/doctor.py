"""`midstream doctor`: whether this machine has what midstream needs, and what to do where it has not."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import typer

from midstream.app.doctor import Finding, examine
from midstream.cli.options import AsJson, DataDir, configured, put, shown
from midstream.config import Config
from midstream.errors import ConfigError

_COLORS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Look at everything midstream needs here, change nothing, and say what to do. Exit 1 when something fails.

    Example: midstream doctor --data-dir /var/lib/midstream
    """
    try:
        config = configured(data_dir=data_dir)
    except ConfigError as error:
        _print([Finding("configuration", "fail", str(error))], as_json=as_json)
        raise
    findings = [Finding("configuration", "ok", "every setting is known and can be used"), *asyncio.run(_all(config))]
    _print(findings, as_json=as_json)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


async def _all(config: Config) -> list[Finding]:
    return [finding async for finding in examine(config)]


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        put([asdict(finding) for finding in findings])
        return
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        verdict = typer.style(f"{finding.verdict:<4}", fg=_COLORS[finding.verdict])
        advice = f"; {finding.advice}" if finding.advice else ""
        typer.echo(f"{verdict}  {finding.name:<{width}}  {shown(finding.said + advice)}")

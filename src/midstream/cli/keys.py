"""`midstream keys`: the master key that seals sensitive settings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from midstream.cli.operating import operating
from midstream.cli.options import AsJson, DataDir, configured, put, say
from midstream.config import Config
from midstream.control import keys

app = typer.Typer(help="The master key that seals sensitive settings.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look after the master key that seals sensitive settings."""


@app.command()
def rotate(
    retire: Annotated[
        bool, typer.Option("--retire", help="Then drop the old keys. Backups made before need them.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a new master key and seal every sensitive setting anew with it. A midstream that runs goes on.

    Where MIDSTREAM_MASTER_KEY holds the keyset, add the new key to it as the primary one and restart first; this then seals
    everything anew with it.

    Example: midstream keys rotate --retire
    """
    config = configured(data_dir=data_dir)
    count = asyncio.run(_rotate(config, retire=retire))
    if as_json:
        put({"sealedAnew": count, "retired": retire and not config.master_key})
        return
    say(f"{count} values were sealed anew")
    if not retire:
        say("The old keys are kept, for backups made before; --retire drops them.")
    elif config.master_key:
        say("MIDSTREAM_MASTER_KEY is yours to change: take the old keys out of it now")
    else:
        say("The old keys are gone.")


async def _rotate(config: Config, *, retire: bool) -> int:
    path = None if config.master_key else Path(config.data_dir) / "master.key"
    async with operating(config, None, begin=True, anywhere=True) as call:
        count = await keys.rotate(call, path)
    if retire and path is not None:
        async with operating(config, None, anywhere=True) as call:
            await keys.retire(call, path)
    return count

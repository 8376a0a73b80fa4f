"""The part of applying a folder that removes what it does not mention, when that is asked for.

Enters: an `Application` through which everything else went. Leaves: `Change`s told. Whoever points to something goes
before it: instances, destinations with their filters, functions, sources, labels. Write keys and old versions stay: no folder
can show them.
"""

from __future__ import annotations

from sqlalchemy import select

from midstream.control import destinations, functions, instances, sources
from midstream.control.changes import Application
from midstream.control.labelling import remove_labels
from midstream.store.schema import DestinationRow, FunctionRow, InstanceRow, SourceRow

_WAITING = "events that wait for it will not be delivered"


async def remove_unmentioned(it: Application) -> None:
    """Remove from the workspace what the folder neither describes nor refers to."""
    chains = list(it.folder.destinations.values())
    needed = {entry.function for each in chains for entry in each.functions} | it.folder.functions.keys()
    fed = {each.source for each in chains} | it.folder.sources.keys()
    await _instances(it)
    for slug, destination in sorted((await it.by_slug(DestinationRow)).items()):
        if slug not in it.folder.destinations:
            await destinations.remove(it.act, destination)
            it.tell_gone("destination", slug, _WAITING)
    for slug, function in sorted((await it.by_slug(FunctionRow)).items()):
        if slug not in needed:
            await functions.remove(it.act, function)
            it.tell_gone("function", slug)
    for slug, source in sorted((await it.by_slug(SourceRow)).items()):
        if slug not in fed:
            await sources.remove_source(it.act, source)
            it.tell_gone("source", slug)
    await remove_labels(it)


async def _instances(it: Application) -> None:
    """Disconnect what is in no chain of the folder, or in front of a destination that goes, or of a function that goes."""
    query = (
        select(InstanceRow, DestinationRow.slug, FunctionRow.slug)
        .join(DestinationRow, DestinationRow.id == InstanceRow.destination_id)
        .join(FunctionRow, FunctionRow.id == InstanceRow.function_id)
        .where(DestinationRow.workspace_id == it.act.workspace_id)
        .order_by(DestinationRow.slug, InstanceRow.position, InstanceRow.id)
    )
    for row, destination, function in (await it.act.session.execute(query)).all():
        if row.id not in it.mentioned:
            await instances.remove(it.act, row)
            it.tell_gone("instance", f"{destination}/{function}")

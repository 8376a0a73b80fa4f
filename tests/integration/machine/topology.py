"""What is done to the topology: sources, destinations, filters, functions and what connects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, invariant, multiple, rule

from midstream.control import destinations, filters, functions, instances, sources
from midstream.domain.access import Subject
from midstream.domain.filters import FilterSection
from midstream.domain.topology import OnError
from midstream.secrets import Vault
from midstream.store.schema import InstanceRow, VersionRow
from tests.integration.machine.frame import ANYBODY, Holder, Machine, Token

CODE = "function onTrack(event) { return event } // %s"
DROP = FilterSection.model_validate({"if": "event = 'x'", "actions": [{"type": "DROP"}], "title": "x"})

Who = Holder | Token


@dataclass(frozen=True)
class Placed:
    """A destination, filter or instance, and what a permission on it is asked on."""

    id: str
    on: Subject


SOURCES: Bundle[str] = Bundle("sources")
DESTINATIONS: Bundle[Placed] = Bundle("destinations")
FILTERS: Bundle[Placed] = Bundle("filters")
FUNCTIONS: Bundle[str] = Bundle("functions")
INSTANCES: Bundle[Placed] = Bundle("instances")


class Topology(Machine):
    """A function in front of a destination to begin with, and all kinds of roles who work on them.

    What is deleted leaves its bundle, so that most of what is done is done to something.
    """

    def __init__(self, new_database: Callable[[], str], vault: Vault) -> None:
        super().__init__(new_database, vault)
        call = self.call
        self.source: str = self.run(sources.create_source(call, slug="first")).id
        self.function: str = self.run(functions.create_function(call, name="First", code=CODE % 0)).id
        made = destinations.create_destination(call, self.source, type="sink", name="Sink", settings={})
        self.destination: str = self.run(made).id
        connected = instances.create_instance(
            call, self.function, self.destination, name="I", settings={}, enabled=True
        )
        self.instance: str = self.run(connected).id

    @initialize(target=SOURCES)
    def a_source(self) -> str:
        return self.source

    @initialize(target=FUNCTIONS)
    def a_function(self) -> str:
        return self.function

    @initialize(target=DESTINATIONS)
    def a_destination(self) -> Placed:
        return Placed(self.destination, Subject(source_id=self.source))

    @initialize(target=INSTANCES)
    def an_instance(self) -> Placed:
        return Placed(self.instance, Subject(function_id=self.function, source_id=self.source))

    @rule(target=SOURCES, who=ANYBODY)
    def create_source(self, who: Who) -> Any:
        made = self.do(who, sources.create_source, slug=f"s{self.number()}")
        return made.id if made else multiple()

    @rule(source=SOURCES, name=st.sampled_from(["A", "B"]), enabled=st.booleans(), who=ANYBODY)
    def update_source(self, source: str, name: str, enabled: bool, who: Who) -> None:
        more = {"name": name, "slug": None, "enabled": enabled}
        self.do(who, sources.update_source, source, on=Subject(source_id=source), **more)

    @rule(target=SOURCES, source=consumes(SOURCES), who=ANYBODY)
    def delete_source(self, source: str, who: Who) -> Any:
        gone = self.do(who, sources.delete_source, source, on=Subject(source_id=source))
        return multiple() if gone else source

    @rule(target=DESTINATIONS, source=SOURCES, who=ANYBODY)
    def create_destination(self, source: str, who: Who) -> Any:
        on, more = Subject(source_id=source), {"type": "sink", "name": "Sink", "settings": {}}
        made = self.do(who, destinations.create_destination, source, on=on, **more)
        return Placed(made.id, on) if made else multiple()

    @rule(target=DESTINATIONS, destination=consumes(DESTINATIONS), who=ANYBODY)
    def delete_destination(self, destination: Placed, who: Who) -> Any:
        gone = self.do(who, destinations.delete_destination, destination.id, on=destination.on)
        return multiple() if gone else destination

    @rule(target=FILTERS, destination=DESTINATIONS, who=ANYBODY)
    def create_filter(self, destination: Placed, who: Who) -> Any:
        made = self.do(who, filters.create_filter, destination.id, DROP, on=destination.on)
        return Placed(made.id, destination.on) if made else multiple()

    @rule(target=FILTERS, it=consumes(FILTERS), who=ANYBODY)
    def delete_filter(self, it: Placed, who: Who) -> Any:
        gone = self.do(who, filters.delete_filter, it.id, on=it.on)
        return multiple() if gone else it

    @rule(target=FUNCTIONS, who=ANYBODY)
    def create_function(self, who: Who) -> Any:
        made = self.do(who, functions.create_function, name="F", code=CODE % 0)
        return made.id if made else multiple()

    @rule(function=FUNCTIONS, number=st.integers(0, 3), who=ANYBODY)
    def save(self, function: str, number: int, who: Who) -> None:
        self.do(who, functions.update_function, function, on=Subject(function_id=function), code=CODE % number)

    @rule(target=FUNCTIONS, function=consumes(FUNCTIONS), who=ANYBODY)
    def delete_function(self, function: str, who: Who) -> Any:
        gone = self.do(who, functions.delete_function, function, on=Subject(function_id=function))
        return multiple() if gone else function

    @rule(target=INSTANCES, function=FUNCTIONS, destination=DESTINATIONS, enabled=st.booleans(), who=ANYBODY)
    def connect(self, function: str, destination: Placed, enabled: bool, who: Who) -> Any:
        on = Subject(function_id=function, source_id=destination.on.source_id)
        more = {"name": "I", "settings": {}, "enabled": enabled}
        made = self.do(who, instances.create_instance, function, destination.id, on=on, **more)
        return Placed(made.id, on) if made else multiple()

    @rule(instance=INSTANCES, enabled=st.booleans(), on_error=st.sampled_from(OnError), who=ANYBODY)
    def update_instance(self, instance: Placed, enabled: bool, on_error: OnError, who: Who) -> None:
        self.do(who, instances.update_instance, instance.id, on=instance.on, enabled=enabled, on_error=on_error)

    @rule(target=INSTANCES, instance=consumes(INSTANCES), who=ANYBODY)
    def delete_instance(self, instance: Placed, who: Who) -> Any:
        gone = self.do(who, instances.delete_instance, instance.id, on=instance.on)
        return multiple() if gone else instance

    @rule(function=FUNCTIONS, who=ANYBODY)
    def deploy(self, function: str, who: Who) -> None:
        self.do(who, instances.deploy_function, function, on=Subject(function_id=function))

    @invariant()
    def every_instance_runs_one_version_of_its_function(self) -> None:
        rows = self.run(self.rows((VersionRow, InstanceRow)))
        functions_of = {row.id: row.function_id for row in rows[VersionRow]}
        for row in rows[InstanceRow]:
            assert functions_of[row.version_id] == row.function_id

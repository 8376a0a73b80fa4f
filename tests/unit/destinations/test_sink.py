"""The sink publishes what it is given, a message an event."""

from __future__ import annotations

from datetime import UTC, datetime

from midstream.destinations import CATALOG, Ports
from midstream.domain.outcome import Delivered
from midstream.domain.topology import Destination
from midstream.egress import Egress


async def test_each_event_becomes_one_message_and_is_delivered() -> None:
    published: list[tuple[str, bytes]] = []

    async def publish(subject: str, data: bytes) -> None:
        published.append((subject, data))

    epoch = datetime.fromtimestamp(0, UTC)
    destination = Destination("dst_1", "src_1", "sink", "Sink", True, epoch, epoch, None, {})
    sink = CATALOG["sink"].build(destination, Ports(Egress(), publish))
    sent = await sink.send([b'{"a":1}', b'{"a":2}'], ["m1", "m2"])
    await sink.send([], [])
    await sink.close()
    assert published == [("sink.dst_1", b'{"a":1}'), ("sink.dst_1", b'{"a":2}')]
    assert [one.outcome for one in sent] == [Delivered(), Delivered()]

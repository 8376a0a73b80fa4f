"""The event log: NATS JetStream, the same code from a laptop to a cluster.

`server` runs the child nats-server, `client` connects and lays out the streams, `append` writes with group commit, `pull`
reads. Nothing else in midstream knows NATS. What was measured for each choice stands in docs/adr/0002-the-log.md.
"""

from midstream.log.append import Appender
from midstream.log.client import HOLD, QUARANTINED, ConsumerInfo, Endpoint, Log, StreamInfo, connect
from midstream.log.pull import ConsumerGone, Message, Pull

__all__ = [
    "HOLD",
    "QUARANTINED",
    "Appender",
    "ConsumerGone",
    "ConsumerInfo",
    "Endpoint",
    "Log",
    "Message",
    "Pull",
    "StreamInfo",
    "connect",
]

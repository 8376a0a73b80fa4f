"""User code: one Deno process a function instance, with no permissions, fed over a socket.

Enters: a function instance and a batch of events. Leaves: one `Invocation` an event. The network is whoever made the
pool's business: it gives the `Fetcher`.
"""

from midstream.runtime.fetching import Fetcher
from midstream.runtime.pool import Check, Pool

__all__ = ["Check", "Fetcher", "Pool"]

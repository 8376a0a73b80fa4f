"""Segment's globals that midstream does not ship, each with the way to do without.

Enters: a function's code. Leaves: the stubs it names, and the sentence that using one throws. The list is Segment's, of
destination and source functions together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midstream.runtime.naming import declares, mentions, names_in

_AWS = "call the service's HTTP API with fetch and sign it with crypto.createHmac"
_GOOGLE = "call its REST API with fetch (https://{}.googleapis.com/…) and a token made with jsonwebtoken"

# Path of the global → what to do instead.
_INSTEAD = {
    "AWS": f"{_AWS} (https://<service>.<region>.amazonaws.com/…)",
    "google.cloud.automl": _GOOGLE.format("automl"),
    "google.cloud.bigquery": _GOOGLE.format("bigquery"),
    "google.cloud.datastore": _GOOGLE.format("datastore"),
    "google.cloud.firestore": _GOOGLE.format("firestore"),
    "google.cloud.functions": _GOOGLE.format("cloudfunctions"),
    "google.cloud.pubsub": _GOOGLE.format("pubsub"),
    "google.cloud.storage": _GOOGLE.format("storage"),
    "google.cloud.tasks": _GOOGLE.format("cloudtasks"),
    "hubspotlib.hubspot": "call its HTTP API with fetch (https://api.hubapi.com/…)",
    "jsforce": "call Salesforce's REST API with fetch (https://<instance>.my.salesforce.com/services/data/…)",
    "mailchimplib.mailchimp": "call its HTTP API with fetch (https://<dc>.api.mailchimp.com/3.0/…)",
    "nodemailjet.nodemailjet": "call its HTTP API with fetch (https://api.mailjet.com/v3.1/…)",
    "sendgrid.client": "call its HTTP API with fetch (https://api.sendgrid.com/v3/…)",
    "sendgrid.mail": "call its HTTP API with fetch (https://api.sendgrid.com/v3/mail/send)",
    "skyflowlib.skyflow": "call your vault's HTTP API with fetch (https://<vault>.vault.skyflowapis.com/v1/…)",
    "stripe": "call its HTTP API with fetch (https://api.stripe.com/v1/…)",
    "twilio": "call its HTTP API with fetch (https://api.twilio.com/2010-04-01/…)",
    "winstonlib.winston": "write with console, whose lines are kept with each invocation, or send them with fetch",
    "azure.identity": "ask for a token with fetch (https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token)",
    "azure.eventHubs": "call its HTTP API with fetch (https://<namespace>.servicebus.windows.net/<hub>/messages)",
    "azure.synapse": "call its HTTP API with fetch (https://<workspace>.dev.azuresynapse.net/…)",
    "jsftp": "send files over HTTPS with fetch; FTP cannot be spoken from here",
    "cryptojslib.cryptojs": "use crypto: createHash, createHmac and createCipheriv do the same",
    "akeylessLabs.akeyless": "call its HTTP API with fetch (https://api.akeyless.io/…)",
    "akeylessLabs.akeylessCloudId": "call its HTTP API with fetch (https://api.akeyless.io/…)",
    "oneSignal.oneSignal": "call its HTTP API with fetch (https://api.onesignal.com/…)",
    "pg.pg": "send the event to a service that writes to the database, with fetch, or to a postgres destination",
    "snowflakesdk.snowflakesdk": "call its SQL API with fetch (https://<account>.snowflakecomputing.com/api/v2/statements)",
    "clickHouseClient.clickHouseClient": "call its HTTP interface with fetch (https://<host>:8443/?query=…)",
    "aws4.aws4": _AWS,
    "sentrylib.sentry": "send an envelope with fetch (https://<host>/api/<project>/envelope/)",
}
STUBS = {path: f"{path} is not part of midstream: {hint}, see docs/functions.md" for path, hint in _INSTEAD.items()}


def stubs_for(code: str) -> Mapping[str, str]:
    """Return the sentence of each whose first name the code mentions anywhere: they travel to its process."""
    return {path: sentence for path, sentence in STUBS.items() if mentions(code, _root(path))}


def stubs_named(code: str) -> Sequence[tuple[str, str]]:
    """Return the path and the sentence of each stub that the code's own words name, for who checks code."""
    named = names_in(code)
    return [
        (path, sentence)
        for path, sentence in STUBS.items()
        if _is_named(path, named) and not declares(code, _root(path))
    ]


def _root(path: str) -> str:
    return path.partition(".")[0]


def _is_named(path: str, named: set[str]) -> bool:
    """Say whether a path is named, or as much of it as the code shows: `const { storage } = google.cloud`."""
    while path not in named:
        path, dot, _ = path.rpartition(".")
        if not dot or any(other.startswith(f"{path}.") for other in named):
            return False
    return True

"""Passkey Accounts for Python back ends: who is signed in, live.

>>> async with passkey_accounts.Events("wss://auth.example/v1/events", "pa_live_...") as events:
...     async for item in events:
...         match item:
...             case Event(data=LoggedIn(account_id=account)):
...                 print("signed in:", account)
"""

from ._errors import PasskeyAccountsError, StreamError
from ._events import Events
from ._items import (
    AccountErased,
    ApiKeyCreated,
    ApiKeyRevoked,
    Bookmark,
    Confirmed,
    CounterRegressed,
    EndReason,
    Event,
    EventData,
    Evidence,
    Gap,
    GapNext,
    GapReason,
    Item,
    LoggedIn,
    LoggedOut,
    OpenSession,
    PasskeyAdded,
    PasskeyRemoved,
    PasskeyRenamed,
    Registered,
    RemovalReason,
    SessionKey,
    Snapshot,
    Unknown,
)

__all__ = [
    "AccountErased",
    "ApiKeyCreated",
    "ApiKeyRevoked",
    "Bookmark",
    "Confirmed",
    "CounterRegressed",
    "EndReason",
    "Event",
    "EventData",
    "Events",
    "Evidence",
    "Gap",
    "GapNext",
    "GapReason",
    "Item",
    "LoggedIn",
    "LoggedOut",
    "OpenSession",
    "PasskeyAccountsError",
    "PasskeyAdded",
    "PasskeyRemoved",
    "PasskeyRenamed",
    "Registered",
    "RemovalReason",
    "SessionKey",
    "Snapshot",
    "StreamError",
    "Unknown",
]

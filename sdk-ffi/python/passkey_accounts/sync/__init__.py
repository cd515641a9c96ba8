"""The same without asyncio: every name of `passkey_accounts`, with `Accounts`, `Events` and the like that block.

>>> from passkey_accounts.sync import Accounts, Event, LoggedIn
>>> def main() -> None:
...     with Accounts("https://auth.example", "pa_live_...") as accounts:
...         for event in accounts.events(consumer="billing"):
...             match event:
...                 case Event(data=LoggedIn(account_id=account)):
...                     print("signed in:", account)
"""

from .._api import (
    AccountInfo,
    AppInfo,
    Checkpoint,
    CreatedKey,
    EventsPage,
    KeyInfo,
    PasskeyInfo,
    Policy,
    SessionsPage,
)
from .._data import (
    AccountErased,
    ApiKeyCreated,
    ApiKeyRevoked,
    CancelReason,
    Confirmed,
    CounterRegressed,
    EndReason,
    EventData,
    Evidence,
    LoggedIn,
    LoggedOut,
    PasskeyAdded,
    PasskeyRemoved,
    PasskeyRenamed,
    RecoveryCancelled,
    RecoveryCompleted,
    RecoveryStarted,
    Registered,
    RemovalReason,
    SessionKey,
    TamperedRow,
    TamperingDetected,
    Unknown,
)
from .._errors import (
    ApiError,
    PasskeyAccountsError,
    ProofError,
    StreamError,
)
from .._items import (
    Bookmark,
    Event,
    Gap,
    GapNext,
    GapReason,
    Item,
    OpenSession,
    SignedHead,
    Snapshot,
)
from .._options import (
    EvidenceOptions,
    WitnessOptions,
)
from .._providers import (
    KeyProvider,
    PositionStore,
)
from .._pull import (
    Delivery,
    Position,
)
from .._requests import (
    RawRequest,
    Request,
)
from .._session import (
    Ended,
    MissedEnds,
    SessionEnd,
    Unobserved,
)
from .._status import (
    Closed,
    Connecting,
    Live,
    Standby,
    Status,
    Waiting,
)
from ..problem import (
    Problem,
    problem,
)
from ._accounts import Accounts
from ._api import Api
from ._events import Deliveries, Events
from ._sessions import Account, Endings, LiveSession, LiveSessions

__all__ = [
    "Account",
    "AccountErased",
    "AccountInfo",
    "Accounts",
    "Api",
    "ApiError",
    "ApiKeyCreated",
    "ApiKeyRevoked",
    "AppInfo",
    "Bookmark",
    "CancelReason",
    "Checkpoint",
    "Closed",
    "Confirmed",
    "Connecting",
    "CounterRegressed",
    "CreatedKey",
    "Deliveries",
    "Delivery",
    "EndReason",
    "Ended",
    "Endings",
    "Event",
    "EventData",
    "Events",
    "EventsPage",
    "Evidence",
    "EvidenceOptions",
    "Gap",
    "GapNext",
    "GapReason",
    "Item",
    "KeyInfo",
    "KeyProvider",
    "Live",
    "LiveSession",
    "LiveSessions",
    "LoggedIn",
    "LoggedOut",
    "MissedEnds",
    "OpenSession",
    "PasskeyAccountsError",
    "PasskeyAdded",
    "PasskeyInfo",
    "PasskeyRemoved",
    "PasskeyRenamed",
    "Policy",
    "Position",
    "PositionStore",
    "Problem",
    "ProofError",
    "RawRequest",
    "RecoveryCancelled",
    "RecoveryCompleted",
    "RecoveryStarted",
    "Registered",
    "RemovalReason",
    "Request",
    "SessionEnd",
    "SessionKey",
    "SessionsPage",
    "SignedHead",
    "Snapshot",
    "Standby",
    "Status",
    "StreamError",
    "TamperedRow",
    "TamperingDetected",
    "Unknown",
    "Unobserved",
    "Waiting",
    "WitnessOptions",
    "problem",
]

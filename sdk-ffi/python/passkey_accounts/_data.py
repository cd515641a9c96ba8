"""The data of events, and the words in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Union


class EndReason(Enum):
    """Why a session ended."""

    USER = "user"
    PAGE_GONE = "pageGone"
    CONNECTION_LOST = "connectionLost"
    IDLE_TIMEOUT = "idleTimeout"
    ABSOLUTE_TIMEOUT = "absoluteTimeout"
    REVOKED = "revoked"
    REPLACED = "replaced"
    PASSKEY_REMOVED = "passkeyRemoved"
    ACCOUNT_ERASED = "accountErased"
    RECOVERED = "recovered"
    """The account was recovered: whoever was signed in signs in anew."""
    KEY_REVOKED = "keyRevoked"
    SERVER_LOST = "serverLost"
    OTHER = "other"
    """A newer server's reason. The session has ended all the same."""


class RemovalReason(Enum):
    """Why a passkey was removed."""

    BACK_END = "backEnd"
    USER = "user"
    """The person removed it, and confirmed that with a passkey."""
    OTHER = "other"
    """A newer server's reason. The passkey is gone all the same."""


class CancelReason(Enum):
    """Why a recovery is over without a new passkey."""

    USER = "user"
    """The person, on a page where they are signed in."""
    BACK_END = "backEnd"
    """A back end or an operator, with an API key."""
    EXPIRED = "expired"
    """Nobody came for the new passkey in time."""
    OTHER = "other"
    """A newer server's reason. The recovery is over all the same."""


class TamperedRow(Enum):
    """What somebody else has written to."""

    ACCOUNT = "account"
    """An account's row, its key, or one of its passkeys. Nobody can sign in to it."""
    API_KEY = "apiKey"
    """An API key's row. The key is refused."""
    DATABASE = "database"
    """Rows of the database as a whole, which an operator has accepted as they were."""
    OTHER = "other"
    """A newer server's word."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The public half of a session key: a point on P-256."""

    x: bytes
    y: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the authenticator signed, and over what."""

    random: bytes
    kind: str
    """What the ceremony was for: `signIn`, `confirm`, `addPasskey` or `removePasskey`."""
    origin: str
    thumbprint: bytes
    credential_id: bytes
    authenticator_data: bytes
    client_data_json: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Registered:
    """An account was made."""

    account_id: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session was opened."""

    account_id: str
    session_id: str
    passkey_id: str
    origin: str
    session_key: SessionKey
    expires_at: datetime
    user_verified: bool
    backed_up: bool
    account_sessions: int
    """Open sessions of the account after this event; 1 means that the account has just come."""
    evidence: Evidence | None
    """The authenticator's own signature; absent after sign-up."""


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """A session ended."""

    account_id: str
    session_id: str
    reason: EndReason
    account_sessions: int
    """Open sessions of the account after this event; 0 means that the account has just left."""


@dataclass(frozen=True, slots=True)
class PasskeyAdded:
    """An account got a passkey; pin its public key to check evidence later."""

    account_id: str
    passkey_id: str
    public_key: bytes
    aaguid: bytes
    backed_up: bool
    evidence: Evidence | None
    """How a passkey that the account had before vouched for this one; absent for the first."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A person confirmed an action of their session with a passkey."""

    account_id: str
    session_id: str
    passkey_id: str
    ceremony_id: str
    """Names the confirmation; the page was told it too."""
    action: str
    """What was confirmed: a JSON object, at most 2 KiB, in its RFC 8785 form, as text."""
    evidence: Evidence
    """The authenticator's signature over it."""


@dataclass(frozen=True, slots=True)
class PasskeyRenamed:
    """A passkey has another name, which the event does not tell."""

    account_id: str
    passkey_id: str


@dataclass(frozen=True, slots=True)
class PasskeyRemoved:
    """An account lost a passkey. The sessions that it opened end with it."""

    account_id: str
    passkey_id: str
    reason: RemovalReason
    evidence: Evidence | None
    """How a passkey of the account signed the removal; absent unless the person removed it."""


@dataclass(frozen=True, slots=True)
class AccountErased:
    """An account is gone, with its address, its passkeys and its sessions."""

    account_id: str


@dataclass(frozen=True, slots=True)
class ApiKeyCreated:
    """The app got an API key."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    """What it may be used for, for example `events:read`."""


@dataclass(frozen=True, slots=True)
class ApiKeyRevoked:
    """An API key was taken back."""

    key_id: str


@dataclass(frozen=True, slots=True)
class CounterRegressed:
    """A passkey's signature counter did not rise: it may have been copied."""

    account_id: str
    passkey_id: str
    stored: int
    received: int


@dataclass(frozen=True, slots=True)
class TamperingDetected:
    """A row of the server's database is not what the server stored: somebody else has written to it."""

    row: TamperedRow
    account_id: str | None
    """The account, for a row of an account; absent when only its address leads nowhere."""
    key_id: str | None
    """The key's public name, for the row of an API key."""


@dataclass(frozen=True, slots=True)
class RecoveryStarted:
    """The recovery of an account has begun. Until it is completed whoever is signed in, or a back end, can cancel it."""

    account_id: str
    until: datetime
    """The earliest time at which it gives a new passkey; later if the server does not run all the time."""


@dataclass(frozen=True, slots=True)
class RecoveryCancelled:
    """A recovery is over without a new passkey."""

    account_id: str
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class RecoveryCompleted:
    """A recovery gave an account a passkey, and all its sessions ended. It stands in the place of `PasskeyAdded`."""

    account_id: str
    passkey_id: str
    public_key: bytes
    """`COSE_Key` bytes."""
    aaguid: bytes
    """The authenticator's model, 16 bytes; all zero when it does not say."""
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """A type that is newer than this version; see the event's `name` and `json`."""


EventData = Union[
    Registered,
    LoggedIn,
    LoggedOut,
    PasskeyAdded,
    Confirmed,
    PasskeyRenamed,
    PasskeyRemoved,
    AccountErased,
    CounterRegressed,
    ApiKeyCreated,
    ApiKeyRevoked,
    TamperingDetected,
    RecoveryStarted,
    RecoveryCancelled,
    RecoveryCompleted,
    Unknown,
]

"""What a back end can check beside the order of events. Both are for views."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ._native import passkey_accounts_ffi as native


@dataclass(frozen=True, slots=True)
class EvidenceOptions:
    """Believe nothing that a passkey should have signed and did not.

    It says what a back end knows of its own app, from its configuration and never from the server.
    """

    app_id: str
    """The app: `app_...`."""
    rp_id: str
    """Its WebAuthn RP ID: `shop.example`."""
    origins: tuple[str, ...]
    """The origins that its pages have, character for character: `https://shop.example`."""
    pins_path: str | os.PathLike[str]
    """The file of the pins; one for each stream. It is made when it is not there."""

    def native(self) -> native.EvidenceOptions:
        """As the binding wants it."""
        path = os.fspath(self.pins_path)
        return native.EvidenceOptions(
            app_id=self.app_id, rp_id=self.rp_id, origins=list(self.origins), pins_path=path
        )


@dataclass(frozen=True, slots=True)
class WitnessOptions:
    """Check every item against the log that was read before; with `types=["*"]`, recompute its chain."""

    checkpoint_path: str | os.PathLike[str]
    """The file of the checkpoint; one for each stream. It is made when it is not there."""
    keys: tuple[str, ...] = ()
    """The server's Ed25519 keys: the members `x` of `/.well-known/jwks.json`, written down where the server cannot change
    them. Without any, signatures are not looked at."""

    def native(self) -> native.WitnessOptions:
        """As the binding wants it."""
        return native.WitnessOptions(keys=list(self.keys), checkpoint_path=os.fspath(self.checkpoint_path))

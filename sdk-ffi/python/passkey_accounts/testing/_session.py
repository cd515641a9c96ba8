"""Somebody's open session, which signs what a page would."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .._requests import RawRequest


@dataclass(frozen=True)
class FakeSession:
    """Somebody is signed in."""

    account_id: str
    session_id: str
    passkey_id: str
    _key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    def sign(self, method: str, url: str, body: bytes | None = None) -> RawRequest:
        """The request as `session.fetch` would send it. Its `headers` are those to send with any test client."""
        parts = urlsplit(url)
        components = ['"@method"', '"@target-uri"']
        base = [f'"@method": {method}', f'"@target-uri": {url}']
        headers = {"Host": parts.netloc}
        if body is not None:
            digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
            headers["Content-Digest"] = digest
            components.append('"content-digest"')
            base.append(f'"content-digest": {digest}')
        nonce = secrets.token_urlsafe(16)
        parameters = (
            f'({" ".join(components)});created={int(time.time())};keyid="{self.session_id}"'
            f';nonce="{nonce}";tag="passkey-accounts"'
        )
        base.append(f'"@signature-params": {parameters}')
        signature = base64.b64encode(self._signature("\n".join(base).encode())).decode()
        headers["Signature-Input"] = f"pa={parameters}"
        headers["Signature"] = f"pa=:{signature}:"
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        return RawRequest(method, target, headers, body or b"")

    def prove(self, audience: str, nonce: str) -> str:
        """The token that `session.prove` would give."""
        header = {"alg": "ES256", "kid": self.session_id, "typ": "session-proof+jwt"}
        claims = {"aud": audience, "nonce": nonce, "iat": int(time.time()), "jti": secrets.token_urlsafe(16)}
        signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
        return f"{signed}.{part(self._signature(signed.encode()))}"

    def jwk(self) -> dict[str, str]:
        """The public half of the session's key."""
        numbers = self._key.public_key().public_numbers()
        x, y = (part(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def _signature(self, signed: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def part(octets: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

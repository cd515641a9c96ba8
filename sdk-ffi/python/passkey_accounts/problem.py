"""The answer to a request whose proof does not hold: problem details (RFC 9457) with a code of the one table."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ._errors import ProofError


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer, for whichever server sends it."""

    status: int
    headers: dict[str, str]
    body: bytes


def problem(error: ProofError) -> Problem:
    """The answer that refuses for this error.

    >>> answer = problem(ProofError("proofMissing", "the request carries no proof", False, 401))
    >>> answer.status, answer.headers["www-authenticate"]
    (401, 'passkey-accounts')
    """
    is_unavailable = error.status == 503
    details: dict[str, object] = {
        "type": "about:blank",
        "title": TITLES.get(error.status, "Error"),
        "status": error.status,
        "code": error.code,
        "detail": error.reason,
    }
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if error.status == 401:
        # RFC 9110 section 15.5.2 wants a challenge and RFC 9421 names none. Browsers show no dialog for this one.
        headers["www-authenticate"] = "passkey-accounts"
    if is_unavailable:
        details["retryAfterMs"] = RETRY_AFTER_MS
        headers["retry-after"] = str(-(-RETRY_AFTER_MS // 1000))
    body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
    return Problem(error.status, headers, body)


TITLES = {401: "Unauthorized", 413: "Payload Too Large", 503: "Service Unavailable"}

RETRY_AFTER_MS = 1000

"""A server for your tests: in this process, on the loopback interface, in a moment. Needs `passkey-accounts[testing]`.

>>> async def test_a_signed_request_passes() -> None:
...     with FakeServer() as server:
...         ada = server.sign_in("ada")
...         async with Accounts(server.url, server.api_key, origins=["https://app.example"]) as accounts:
...             account = await accounts.sessions.verify(ada.sign("GET", "https://app.example/notes"))
...             assert account.account_id == ada.account_id

It speaks the stream as the real server does: state, events, acknowledgements, consumers with one lane. It has no HTTP API, no
pages, no lanes beyond the first and no retention.
"""

try:
    from ._server import FakeServer
    from ._session import FakeSession
except ModuleNotFoundError as _missing:
    raise ImportError("this needs two packages more: pip install passkey-accounts[testing]") from _missing

__all__ = ["FakeServer", "FakeSession"]

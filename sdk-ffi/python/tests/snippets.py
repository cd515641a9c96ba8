"""What README.md shows, as code that runs: each snippet stands here, line for line (test_documents.py)."""

from typing import Annotated

from fastapi import Depends, FastAPI
from passkey_accounts import Account, Accounts, Event, Item, LoggedIn, Position, RawRequest, sync
from passkey_accounts.asgi import ProofMiddleware
from passkey_accounts.fastapi import refuse_with_problems, sender
from passkey_accounts.testing import FakeServer

notes_of: dict[str, list[str]] = {}
stored: list[tuple[Item, Position | None]] = []
archive: list[Item] = []


def store(item: Item, position: Position | None) -> None:
    stored.append((item, position))


async def five_lines(api_key: str) -> None:
    async with Accounts("https://auth.example", api_key, origins=["https://app.example"]) as accounts:
        async for event in accounts.events(consumer="billing"):
            match event:
                case Event(data=LoggedIn(account_id=account)):
                    print("signed in:", account)


async def by_hand(accounts: Accounts) -> None:
    async for delivery in accounts.events(consumer="ledger").deliveries():
        store(delivery.item, delivery.position)
        delivery.ack()


async def in_batches(accounts: Accounts) -> None:
    async for batch in accounts.events(types=["*"], start="earliest", snapshot=False).batches():
        archive.extend(batch)


def without_asyncio(api_key: str) -> None:
    with sync.Accounts("https://auth.example", api_key) as accounts:
        for event in accounts.events(consumer="mailing"):
            print(event)


async def who(accounts: Accounts, request: RawRequest) -> None:
    account = await accounts.sessions.verify(request)
    print(account.account_id, account.session.session_id)
    await account.session.ended()  # then close what was opened in its name


def with_fastapi(accounts: Accounts) -> ProofMiddleware:
    notes = FastAPI()
    refuse_with_problems(notes)
    app = ProofMiddleware(notes, accounts)

    @notes.get("/notes")
    async def list_notes(account: Annotated[Account, Depends(sender)]) -> list[str]:
        return notes_of[account.account_id]

    return app


async def tests_of_users() -> None:
    with FakeServer() as server:
        ada = server.sign_in("ada")
        async with Accounts(server.url, server.api_key, origins=["https://app.example"]) as accounts:
            account = await accounts.sessions.verify(ada.sign("GET", "https://app.example/notes"))
            assert account.account_id == ada.account_id
            server.sign_out(ada)



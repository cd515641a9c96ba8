"""A back end that knows who sent each request: notes, kept in memory. No cookie, no token, no session store.

Run it: `uvicorn notes:app`. It reads PASSKEY_ACCOUNTS_URL, PASSKEY_ACCOUNTS_API_KEY and ORIGIN, where its pages are.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from passkey_accounts import Account, Accounts, Event, LoggedOut
from passkey_accounts.asgi import ProofMiddleware
from passkey_accounts.fastapi import refuse_with_problems, sender

accounts = Accounts(
    os.environ.get("PASSKEY_ACCOUNTS_URL", "http://localhost:8080"),
    os.environ.get("PASSKEY_ACCOUNTS_API_KEY", ""),
    origins=[os.environ.get("ORIGIN", "http://localhost:8000")],
)

notes_of: defaultdict[str, list[str]] = defaultdict(list)
changed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
drafts: dict[str, str] = {}


async def follow_ends() -> None:
    """What belongs to a session ends with it."""
    async for item in accounts.events(types=["loggedOut"]):
        match item:
            case Event(data=LoggedOut(account_id=account, session_id=session)):
                drafts.pop(session, None)
                print("signed out:", account, flush=True)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None, None]:
    async with accounts:
        await accounts.sessions.in_sync()
        following = asyncio.create_task(follow_ends())
        yield
        following.cancel()


notes = FastAPI(lifespan=lifespan)
refuse_with_problems(notes)
# Lets through what a live session has signed (`session.fetch` in the page), and answers all others.
app = ProofMiddleware(notes, accounts)

Signed = Annotated[Account, Depends(sender)]


@notes.get("/notes")
async def list_notes(account: Signed) -> list[str]:
    return notes_of[account.account_id]


@notes.post("/notes", status_code=201)
async def add_note(account: Signed, text: Annotated[str, Body(media_type="text/plain")]) -> None:
    notes_of[account.account_id].append(text)
    changed.pop(account.account_id, asyncio.Event()).set()


@notes.put("/draft", status_code=204)
async def keep_draft(account: Signed, text: Annotated[str, Body(media_type="text/plain")]) -> None:
    drafts[account.session.session_id] = text


@notes.get("/changes")
async def tell_changes(account: Signed) -> StreamingResponse:
    """Server-sent events, until the session ends."""

    async def tell() -> AsyncIterator[str]:
        ended = asyncio.create_task(account.session.ended())
        while not ended.done():
            yield f"data: {len(notes_of[account.account_id])}\n\n"
            next_change = asyncio.create_task(changed[account.account_id].wait())
            await asyncio.wait([ended, next_change], return_when=asyncio.FIRST_COMPLETED)
            next_change.cancel()

    return StreamingResponse(tell(), media_type="text/event-stream")


@notes.websocket("/live")
async def live(socket: WebSocket, account: Signed) -> None:
    """Says what it hears. The middleware closes it when the session ends."""
    await socket.accept()
    await socket.send_text(account.account_id)
    async for text in socket.iter_text():
        await socket.send_text(text)

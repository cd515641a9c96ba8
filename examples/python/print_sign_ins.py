"""Prints who signs in and out, for as long as it runs."""

import asyncio
import os
import sys

from passkey_accounts import Accounts, Event, LoggedIn, LoggedOut, StreamError


async def main() -> None:
    url = os.environ.get("PASSKEY_ACCOUNTS_URL", "ws://localhost:8080/")
    api_key = os.environ.get("PASSKEY_ACCOUNTS_API_KEY", "")
    async with Accounts(url, api_key) as accounts:
        async for item in accounts.events():
            match item:
                case Event(data=LoggedIn(account_id=account)):
                    print("signed in:", account, flush=True)
                case Event(data=LoggedOut(account_id=account)):
                    print("signed out:", account, flush=True)


try:
    asyncio.run(main())
except StreamError as error:
    sys.exit(str(error))

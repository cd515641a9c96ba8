// A back end in Express that knows which account sent each request: notes, kept in memory. No cookie, no token, no session
// store.
import express from 'express';
import { Accounts } from 'passkey-accounts/server';

const {
  PASSKEY_ACCOUNTS_URL: url = 'http://localhost:8080',
  PASSKEY_ACCOUNTS_API_KEY: apiKey = '',
  ORIGIN: origin = 'http://localhost:3000',
  PORT: port = '3000',
} = process.env;

const accounts = Accounts.connect(url, apiKey, { origins: [origin] });
const notesOf = new Map();
const app = express();

// Lets a request through when a live session has signed it (`session.fetch` in the page), and answers all others.
app.use(accounts.middleware());

app.get('/notes', ({ account }, response) => {
  const { accountID } = account;
  response.json({ accountID, notes: notesOf.get(accountID) ?? [] });
});

app.post('/notes', express.text({ type: () => true }), ({ account, body }, response) => {
  const { accountID } = account;
  notesOf.set(accountID, [...(notesOf.get(accountID) ?? []), body]);
  response.sendStatus(201);
});

// An answer that stays open as long as its session: what belongs to a session ends with it.
app.get('/notes/watch', ({ account }, response) => {
  response.type('text').write('watching\n');
  account.session.ended().then((how) => response.end(`ended: ${how}\n`));
});

/** The last session of an account has ended: nobody is there any more. */
async function followSignOuts() {
  const events = accounts.events({ types: ['loggedOut'], start: 'now' });
  for await (const item of events.items()) {
    if (item.type === 'loggedOut' && item.data.accountSessions === 0) console.log('signed out:', item.data.accountID);
  }
}

try {
  await accounts.sessions.inSync();
  const server = app.listen(Number(port), () => {
    console.log(`listening on port ${server.address().port} for ${origin}`);
  });
  await followSignOuts();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

// A back end that knows which account sent each request: notes, kept in memory. No cookie, no token, no session store.
import { createServer } from 'node:http';
import { Accounts } from 'passkey-accounts/server';

const {
  PASSKEY_ACCOUNTS_URL: url = 'http://localhost:8080',
  PASSKEY_ACCOUNTS_API_KEY: apiKey = '',
  ORIGIN: origin = 'http://localhost:3000',
  PORT: port = '3000',
} = process.env;

const accounts = Accounts.connect(url, apiKey);
const live = accounts.liveSessions();
// Lets a request through when a live session has signed it (`session.fetch` in the page), and answers all others.
const check = accounts.middleware({ origins: [origin] });

const notesOf = new Map();

const server = createServer((request, response) => {
  check(request, response, async (error) => {
    if (error) return response.writeHead(500).end();
    const { accountID } = request.account;
    const notes = notesOf.get(accountID) ?? [];
    if (request.method === 'POST') {
      let text = '';
      for await (const chunk of request) text += chunk;
      notesOf.set(accountID, [...notes, text]);
      return response.writeHead(201).end();
    }
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ accountID, notes }));
  });
});

// What belongs to a session ends with it: close its sockets here, drop its caches.
const followEnds = async () => {
  for await (const end of live.endings()) console.log('signed out:', end.accountID ?? `${end.missed} missed`);
};

try {
  await live.inSync();
  followEnds();
  server.listen(Number(port), () => console.log(`listening on port ${server.address().port} for ${origin}`));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

// The notes page: sign in, list, add, delete what the person has confirmed, and hear of changes.

const byID = (id) => document.getElementById(id);
const login = document.querySelector('passkey-login');
const dialog = byID('confirm');

let session = null;
// What the open question is answered with.
let answer = () => undefined;
let socket = null;

login.addEventListener('passkey-signed-in', (event) => enter(event.detail.session));
login.addEventListener('passkey-signed-out', leave);

// The list

function show(notes) {
  byID('none').hidden = notes.length > 0;
  byID('notes').replaceChildren(...notes.map(makeRow));
}

function makeRow(note) {
  const text = document.createElement('span');
  text.textContent = note.text;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'button quiet';
  button.textContent = 'Delete';
  button.setAttribute('aria-label', `Delete: ${note.text}`);
  button.addEventListener('click', () => remove(note));
  const row = document.createElement('li');
  row.dataset.note = note.id;
  row.append(text, button);
  return row;
}

function say(text) {
  const message = byID('message');
  message.textContent = text;
  message.hidden = text === '';
}

/** Asks the back end. Each request is signed by the session; nothing else says who asks. */
async function ask(path, init) {
  const response = await session.fetch(path, init);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The server answered ${response.status}.`);
}

async function work(task) {
  say('');
  try {
    await task();
  } catch (error) {
    say(error.code === 'cancelled' ? 'Nothing was changed.' : error.message);
  }
}

byID('form-add').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = byID('text');
  const text = input.value.trim();
  if (text === '') {
    input.focus();
    return;
  }
  work(async () => {
    await ask('/api/notes', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ text }),
    });
    input.value = '';
    input.focus();
  });
});

/** Shows what will be signed, has it confirmed, and hands in the confirmation's name. */
async function remove(note) {
  if (!(await isAgreed(note))) return;
  await work(async () => {
    const { confirmationID } = await session.confirm({ type: 'deleteNote', noteID: note.id, text: note.text });
    await ask(`/api/notes/${note.id}?confirmation=${confirmationID}`, { method: 'DELETE' });
    // The button that had the focus goes with its note.
    byID('title-notes').focus();
  });
}

function isAgreed(note) {
  byID('confirm-text').textContent = note.text;
  byID('confirm-id').textContent = note.id;
  dialog.showModal();
  return new Promise((resolve) => (answer = resolve));
}

/** Takes what was asked away. The dialog's own `close` event comes later, perhaps when something else is asked. */
function settle(isYes) {
  if (dialog.open) dialog.close();
  answer(isYes);
}

byID('confirm-yes').addEventListener('click', () => settle(true));
byID('confirm-no').addEventListener('click', () => settle(false));
dialog.addEventListener('cancel', () => settle(false));

// The socket: it is asked for a proof, and closes when the session ends.

function follow() {
  const address = new URL('/api/live', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  const own = new WebSocket(address);
  const of = session;
  socket = own;
  own.addEventListener('message', async ({ data }) => {
    const { nonce, notes } = JSON.parse(data);
    if (notes) {
      byID('live').textContent = 'Live';
      show(notes);
      return;
    }
    try {
      own.send(JSON.stringify({ proof: await of.prove(address.href, nonce) }));
    } catch {
      own.close();
    }
  });
  own.addEventListener('close', () => {
    if (socket !== own) return;
    byID('live').textContent = 'Not live';
    // The page is told of the end of its session by the client, and leaves; until then it comes back.
    setTimeout(() => { if (socket === own) follow(); }, RETRY_MS);
  });
}

const RETRY_MS = 1000;

// Sign-in

function enter(next) {
  if (session?.sessionID === next.sessionID) return;
  leave();
  session = next;
  byID('sign-in').hidden = true;
  byID('board').hidden = false;
  byID('title-notes').focus();
  work(async () => show(await (await ask('/api/notes')).json()));
  follow();
}

function leave() {
  session = null;
  const own = socket;
  socket = null;
  own?.close();
  settle(false);
  say('');
  byID('notes').replaceChildren();
  byID('live').textContent = '';
  byID('board').hidden = true;
  byID('sign-in').hidden = false;
}

byID('sign-out').addEventListener('click', () => login.signOut());

const config = await (await fetch('/config.json')).json();
login.setAttribute('url', config.gatewayURL);
login.setAttribute('app', config.appID);
if (config.outboxURL) {
  byID('outbox-link').href = config.outboxURL;
  byID('outbox').hidden = false;
}
await import('/sdk/element.js');

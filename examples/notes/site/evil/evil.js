// The attacker's page. It knows everything that is public about Notes, and what somebody stole: the fragment of the
// address may hold {"app": "...", "headers": {...}, "proof": "..."}, of a request and of a socket.

const { port } = location;
const APP = `http://app.localhost:${port}`;
const AUTH = `ws://auth.localhost:${port}`;
const stolen = location.hash.length > 1 ? JSON.parse(decodeURIComponent(location.hash.slice(1))) : {};
const app = stolen.app ?? 'app_00000000000000000000000000';
const headers = stolen.headers ?? { Signature: 'pa=:AAAA:', 'Signature-Input': 'pa=("@method")' };

async function read(address, init) {
  const response = await fetch(address, init);
  if (response.type === 'opaque') throw new Error('the answer cannot be read');
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.text();
}

/** Resolves with the first message that needs no answer; rejects when the socket closes. */
function listen(address, protocols, answer) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address, protocols);
    socket.addEventListener('message', ({ data }) => {
      const reply = answer(JSON.parse(data));
      if (reply) socket.send(JSON.stringify(reply));
      else resolve(data);
    });
    socket.addEventListener('close', ({ code, reason }) => reject(new Error(`the socket was closed: ${code} ${reason}`)));
  });
}

/** The text of a page in a frame. One that the browser refused to show is of no origin, and cannot be looked into. */
function frame(address) {
  return new Promise((resolve, reject) => {
    const frame = document.createElement('iframe');
    frame.hidden = true;
    frame.src = address;
    frame.addEventListener('load', () => {
      try {
        resolve(frame.contentWindow.document.body.textContent);
      } catch (error) {
        reject(error);
      } finally {
        frame.remove();
      }
    });
    document.body.append(frame);
  });
}

const ATTACKS = {
  'read-notes': ['Read the notes with whatever the browser sends along', () =>
    read(`${APP}/api/notes`, { credentials: 'include' })],
  'read-notes-blind': ['The same, without asking whether it may', () =>
    read(`${APP}/api/notes`, { credentials: 'include', mode: 'no-cors' })],
  'stolen-proof': ['Send the proof of a stolen request', () => read(`${APP}/api/notes`, { headers })],
  'live-socket': ['Open the socket of Notes with a stolen proof', () =>
    listen(`ws://app.localhost:${port}/api/live`, [], ({ nonce }) => nonce && { proof: stolen.proof ?? 'e30.e30.AA' })],
  'gateway-socket': ['Open the browser socket of the app', () =>
    listen(`${AUTH}/v1/gateway?app=${app}`, ['passkey-accounts.v1'], () => null)],
  'events-socket': ['Open the socket of back ends', () => listen(`${AUTH}/v1/events`, [], () => null)],
  passkey: ['Ask for a passkey of the app', () =>
    navigator.credentials.get({
      publicKey: { challenge: new Uint8Array(32), rpId: 'app.localhost', userVerification: 'required' },
    })],
  frame: ['Show Notes in a frame and look into it', () => frame(APP)],
};

function makeTitle(words) {
  const title = document.createElement('th');
  title.scope = 'row';
  title.setAttribute('role', 'rowheader');
  title.textContent = words;
  return title;
}

function makeCell(column, text) {
  const content = document.createElement('span');
  content.textContent = text;
  const cell = document.createElement('td');
  cell.setAttribute('role', 'cell');
  cell.dataset.column = column;
  cell.append(content);
  return cell;
}

document.getElementById('notes').href = APP;
const rows = document.getElementById('attacks');
let succeeded = 0;
for (const [name, [words, attack]] of Object.entries(ATTACKS)) {
  let result = 'succeeded';
  let said;
  try {
    said = String(await attack()).slice(0, 200);
    succeeded += 1;
  } catch (error) {
    said = `${error.name}: ${error.message}`;
    result = 'refused';
  }
  const row = document.createElement('tr');
  row.setAttribute('role', 'row');
  row.append(makeTitle(words), makeCell('Result', result), makeCell('The browser', said));
  row.dataset.attack = name;
  row.dataset.result = result;
  rows.append(row);
}
document.getElementById('state').textContent =
  succeeded === 0 ? 'Every attack was refused.' : `Attacks that succeeded: ${succeeded}.`;
document.body.dataset.done = 'true';

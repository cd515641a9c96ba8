// The smallest app that signs people in. Bundlers build it as it is, without a configuration.
import { connect } from 'passkey-accounts';

const element = (id) => document.getElementById(id);
const { app, url, pageGoneMs, worker } = Object.fromEntries(new URLSearchParams(location.search));

function show({ status, session, reason }) {
  element('account').textContent = session?.accountID ?? '';
  element('reason').textContent = reason ?? '';
  element('status').textContent = status;
}

async function start() {
  const client = await connect({ app, url, worker, pageGoneMs: Number(pageGoneMs ?? 10_000) });
  let pending;
  const email = () => element('email').value;
  const calls = {
    'sign-up': async () => {
      pending = await client.signUp({ email: email() });
      element('status').textContent = 'codeSent';
    },
    verify: () => pending.verify(element('code').value),
    'sign-in': () => client.signIn({ email: email() }),
    'sign-out': () => client.signOut(),
  };
  for (const [id, call] of Object.entries(calls)) {
    element(id).addEventListener('click', () => {
      element('error').textContent = '';
      call().catch((error) => (element('error').textContent = error.code ?? String(error)));
    });
  }
  element('persistence').textContent = client.persistence;
  client.subscribe(show);
  show(client.state);
}

start().catch((error) => (element('status').textContent = `${error.code}: ${error.message}`));

// Passkey Accounts.

import { connect } from '/sdk/index.js';

export async function makeShop({ appID, gatewayURL }) {
  const client = await connect({ app: appID, url: gatewayURL });
  let pending;
  const post = async (path, body) =>
    (await client.state.session.fetch(path, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body })).status;

  return {
    client,
    async beginSignUp(email) {
      pending = await client.signUp({ email });
    },
    async signUp(email, password, code) {
      await pending.verify(code);
      return 200;
    },
    async signIn(email) {
      await client.signIn({ email });
      return 200;
    },
    act: (what) => post('/act', what),
    async actConfirmed(what) {
      const confirmed = await client.state.session.confirm({ do: what });
      return post(`/act/confirmed?confirmation=${confirmed.confirmationID}`, what);
    },
  };
}

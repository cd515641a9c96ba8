// A token in localStorage or a cookie, for a password or a passkey.

export function makeShop({ hasPasskeys, hasCookies }) {
  async function post(path, body, type = 'application/json') {
    const headers = { 'Content-Type': type };
    const token = localStorage.getItem('token');
    if (token) headers.Authorization = `Bearer ${token}`;
    return fetch(path, { method: 'POST', headers, body });
  }

  async function enter(answer) {
    if (!answer.ok) return answer.status;
    const { token } = await answer.json();
    if (!hasCookies) localStorage.setItem('token', token);
    return 200;
  }

  async function create(email, code) {
    const asked = await (await post('/passkey/create-options', JSON.stringify({ email }))).json();
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.publicKey);
    const credential = await navigator.credentials.create({ publicKey });
    return enter(await post('/passkey/create', JSON.stringify({ email, code, ceremony: asked.ceremony, credential })));
  }

  async function get(email) {
    const asked = await (await post('/passkey/get-options', JSON.stringify({ email }))).json();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.publicKey);
    const credential = await navigator.credentials.get({ publicKey });
    return enter(await post('/passkey/get', JSON.stringify({ email, ceremony: asked.ceremony, credential })));
  }

  return {
    async beginSignUp(email) {
      await post('/mail', JSON.stringify({ email }));
    },
    async signUp(email, password, code) {
      if (hasPasskeys) return create(email, code);
      return enter(await post('/sign-up', JSON.stringify({ email, password, code })));
    },
    async signIn(email, password) {
      if (hasPasskeys) return get(email);
      return enter(await post('/sign-in', JSON.stringify({ email, password })));
    },
    act: async (what) => (await post('/act', what, 'text/plain')).status,
    actConfirmed: async (what) => (await post('/act/confirmed', what, 'text/plain')).status,
  };
}

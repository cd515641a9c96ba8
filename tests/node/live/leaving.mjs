// Opens everything, closes it, and must end by itself.
import { Accounts } from 'passkey-accounts/server';

const accounts = Accounts.connect(process.env.PASSKEY_ACCOUNTS_URL, process.env.PASSKEY_ACCOUNTS_API_KEY);
const live = accounts.liveSessions();
await live.inSync();
const waiting = live.waitFor('ses_00000000000000000000000000', { timeoutMs: 60_000 }).catch((error) => error.code);
for await (const delivery of accounts.events()) {
  delivery.ack();
  if (delivery.item.kind === 'snapshot') break;
}
accounts.events({ consumer: 'leaving' });
await accounts.close();
if ((await waiting) !== 'stale') throw new Error('the wait should have ended');

// A worker that takes its time, and tells what it handles before it says so.
import { Accounts } from 'passkey-accounts/server';

const accounts = Accounts.connect(process.env.PASSKEY_ACCOUNTS_URL, process.env.PASSKEY_ACCOUNTS_API_KEY);
const events = accounts.events({ consumer: process.argv[2], start: 'now', window: 16 });
events.subscribe(({ status }) => process.send({ status }));
for await (const delivery of events) {
  if (delivery.item.kind === 'event') {
    await new Promise((resolve) => process.send({ seq: delivery.item.seq }, resolve));
  }
  delivery.ack();
}

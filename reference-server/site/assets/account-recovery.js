// Recovery on the account page: a warning while somebody recovers the account, and the code for a day without passkeys.

import { announce, make, makeCopyButton, site } from '/assets/site.js';
import { makeTime } from '/assets/session.js';
import { isBusy, setBusy, setIdle } from '/assets/account-passkeys.js';

const byID = (id) => document.getElementById(id);

export class Recovery {
  #page;

  constructor(page) {
    this.#page = page;
    const cancel = byID('cancel-recovery');
    cancel.addEventListener('click', async () => {
      if (isBusy(cancel) || !page.isConnected) return;
      setBusy(cancel, 'Cancelling');
      const isDone = await page.run(byID('recovery-message'), (session) => session.cancelRecovery());
      setIdle(cancel, 'Cancel recovery');
      if (!isDone) return;
      announce('The recovery is cancelled.');
      byID('account-title').focus();
    });
    const button = byID('make-code');
    button.addEventListener('click', async () => {
      if (isBusy(button) || !page.isConnected) return;
      setBusy(button, 'Waiting for your passkey');
      let code = '';
      const isDone = await page.run(byID('code-message'), async (session) => { code = await session.makeRecoveryCode(); });
      setIdle(button, 'Make a recovery code');
      if (isDone) this.#showCode(code);
    });
    site.then((config) => { byID('recovery-code').hidden = !config?.recovery; });
  }

  /** Shows or hides the warning. */
  show(until) {
    const held = byID('recovery-held');
    held.hidden = !until;
    byID('recovery-until').replaceChildren(...(until ? [makeTime(until)] : []));
  }

  empty() {
    this.show(undefined);
    byID('code-shown').replaceChildren();
    byID('code-message').replaceChildren();
    byID('recovery-message').replaceChildren();
  }

  #showCode(code) {
    const shown = make('code', { tabindex: '-1' }, code);
    byID('code-shown').replaceChildren(
      make('p', { class: 'secret' }, shown, makeCopyButton(() => code, 'the recovery code')),
      make('p', { class: 'note' }, 'Write it down now, and keep it apart from your devices. It is not shown again, and an older one no longer works.'));
    shown.focus();
    announce('Here is your recovery code.');
  }
}

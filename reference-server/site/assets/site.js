// What every page shares: the server's description of itself, the development-only link, copy buttons, the footer.

/** What the server says about itself (`GET /site.json`); `null` when it cannot be reached. */
export const site = fetch('/site.json', { cache: 'no-store' })
  .then((response) => (response.ok ? response.json() : null))
  .catch(() => null);

/** Makes an element. `properties` are attributes, but for `class` names and `on…` listeners; children are nodes or text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A copy button for `text()`, or `null` where the browser has no clipboard to offer. */
export function makeCopyButton(text, what) {
  if (!navigator.clipboard) return null;
  const button = make('button', { type: 'button', class: 'copy' });
  equipCopyButton(button, text, what);
  return button;
}

function equipCopyButton(button, text, what) {
  let timer;
  const say = (word) => {
    button.replaceChildren(word, make('span', { class: 'visually-hidden' }, ` ${what}`));
  };
  say('Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      say('Copied');
    } catch {
      say('Not allowed');
    }
    announce(`${button.firstChild.data} ${what}`);
    clearTimeout(timer);
    timer = setTimeout(() => say('Copy'), 2000);
  });
  button.hidden = false;
}

let speaker;

/** Says something to people who listen to the page rather than look at it. */
export function announce(text) {
  if (!speaker) {
    speaker = make('div', { class: 'visually-hidden', role: 'status' });
    document.body.append(speaker);
  }
  // A live region that is filled in the same turn as it appears stays silent.
  setTimeout(() => { speaker.textContent = text; }, 50);
}

for (const button of document.querySelectorAll('button[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  if (navigator.clipboard && source) equipCopyButton(button, () => source.textContent.trim(), button.dataset.what);
}

site.then((config) => {
  if (!config) return;
  for (const element of document.querySelectorAll('[data-when]')) {
    element.hidden = element.dataset.when === 'outbox' ? !config.outbox : element.dataset.when !== config.mode;
  }
  for (const element of document.querySelectorAll('[data-fill]')) {
    const value = config[element.dataset.fill];
    if (value) element.textContent = value;
  }
});

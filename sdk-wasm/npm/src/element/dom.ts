/** Making elements without markup text: works under a strict Content-Security-Policy with Trusted Types. */

export type Child = Node | string;

/** Makes an element. Attributes that are `undefined` are left out; `part` names it for the page's own styles. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | undefined>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(attribute, value);
  }
  element.append(...children);
  return element;
}

/** A button that does `press`. */
export function makeButton(kind: 'main' | 'quiet' | 'link', label: string, press?: () => void): HTMLButtonElement {
  const part = kind === 'link' ? 'link' : `button ${kind}`;
  const button = make('button', { type: press ? 'button' : 'submit', class: part, part }, label);
  if (press) button.addEventListener('click', press);
  return button;
}

/** Text that may run in another direction than what is around it. */
export function isolate(text: string): HTMLElement {
  return make('bdi', {}, text);
}

/** Sets the text of a live region only if it differs, so that it is not read out again. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Marks a button as busy or not yet of use. It keeps the focus, so it is not disabled. */
export function setBlocked(button: HTMLButtonElement, isBlocked: boolean, isBusy: boolean): void {
  if (isBlocked) button.setAttribute('aria-disabled', 'true');
  else button.removeAttribute('aria-disabled');
  button.classList.toggle('busy', isBusy);
}

/** The look of the element. A page changes it by custom properties and parts; layout is logical, so it mirrors by itself. */

const CSS = `
:host {
  --_accent: var(--passkey-accent, light-dark(#08694b, #5dcfa3));
  --_accent-strong: var(--passkey-accent-strong, light-dark(#05513a, #86e0bd));
  --_on-accent: var(--passkey-on-accent, light-dark(#ffffff, #04140d));
  --_ink: var(--passkey-ink, light-dark(#14181b, #e9ecee));
  --_soft: var(--passkey-soft, light-dark(#535b63, #a3abb2));
  --_surface: var(--passkey-surface, light-dark(#ffffff, #15191c));
  --_sunken: var(--passkey-sunken, light-dark(#f3f4f0, #1d2226));
  --_rule: var(--passkey-rule, light-dark(#e2e4dd, #262c30));
  --_edge: var(--passkey-edge, light-dark(#7c848b, #727b83));
  --_alarm: var(--passkey-alarm, light-dark(#a3262b, #ff9c95));
  --_alarm-soft: var(--passkey-alarm-soft, light-dark(#fbeceb, #2b1716));
  --_alarm-edge: var(--passkey-alarm-edge, light-dark(#ecc7c5, #5a2c2a));
  --_round: var(--passkey-round, 0.6rem);
  --_font: var(--passkey-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif);
  display: block;
  max-inline-size: 28rem;
  color: var(--_ink);
  font: 1rem/1.55 var(--_font);
  text-align: start;
}
:host([hidden]) { display: none; }
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, p, dl, dd { margin: 0; }

.box {
  padding: clamp(1.1rem, 5vw, 2.25rem);
  border: 1px solid var(--_rule);
  border-radius: calc(var(--_round) * 1.6);
  background: var(--_surface);
  overflow-wrap: anywhere;
}
.status {
  display: flex;
  align-items: center;
  gap: 0.55rem;
  min-block-size: 1.5rem;
  margin-block-end: 1.1rem;
  font-size: 0.875rem;
  color: var(--_soft);
}
.status::before {
  content: "";
  flex: none;
  inline-size: 0.5rem;
  block-size: 0.5rem;
  border: 2px solid var(--_edge);
  border-radius: 50%;
}
.status[data-link="up"]::before { border-color: var(--_accent); background: var(--_accent); }
.status:is([data-link="lost"], [data-link="down"])::before { border-color: var(--_alarm); }

h2 {
  font-size: 1.625rem;
  font-weight: 640;
  line-height: 1.2;
  letter-spacing: -0.02em;
  text-wrap: balance;
}
:is(:lang(ar), :lang(fa), :lang(ur)) { letter-spacing: normal; }
.text { margin-block-start: 0.6rem; color: var(--_soft); text-wrap: pretty; }
.text .address, .panel .address { color: var(--_ink); font-weight: 600; }
/* As tall as the form that is coming, so that nothing jumps. */
.waiting { min-block-size: 17.25rem; }
.alarm h2 { color: var(--_alarm); }

form { margin-block-start: 1.4rem; }
.field + .field { margin-block-start: 1.1rem; }
label { display: block; margin-block-end: 0.4rem; font-size: 0.9375rem; font-weight: 560; }
input {
  inline-size: 100%;
  min-block-size: 3rem;
  padding: 0.6rem 0.85rem;
  border: 1px solid var(--_edge);
  border-radius: var(--_round);
  background: var(--_surface);
  color: inherit;
  font: inherit;
  font-size: 1.0625rem;
}
input[aria-invalid="true"] { border-color: var(--_alarm); box-shadow: inset 0 0 0 1px var(--_alarm); }
input[readonly] { background: var(--_sunken); color: var(--_soft); }
.digits { font: 1.5rem/1.3 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: 0.3em; }
.hint, .wrong { margin-block-start: 0.4rem; font-size: 0.875rem; color: var(--_soft); }
.wrong { color: var(--_alarm); }

.button {
  appearance: none;
  display: flex;
  align-items: center;
  justify-content: center;
  gap: 0.6rem;
  inline-size: 100%;
  min-block-size: 2.875rem;
  margin-block-start: 1.25rem;
  padding: 0.55rem 1.25rem;
  border: 1px solid transparent;
  border-radius: var(--_round);
  background: var(--_accent);
  color: var(--_on-accent);
  font: inherit;
  font-weight: 600;
  line-height: 1.3;
  cursor: pointer;
}
.button:hover { background: var(--_accent-strong); }
.button.quiet { border-color: var(--_edge); background: transparent; color: var(--_ink); }
.button.quiet:hover { border-color: var(--_ink); background: var(--_sunken); }
.button[aria-disabled="true"] { border-color: var(--_rule); background: var(--_sunken); color: var(--_soft); cursor: default; }
.busy { cursor: progress; }
.button.busy::before, .panel .asks::before {
  content: "";
  flex: none;
  inline-size: 1rem;
  block-size: 1rem;
  border: 2px solid var(--_edge);
  border-block-start-color: var(--_accent);
  border-radius: 50%;
}
.link {
  appearance: none;
  min-block-size: 1.75rem;
  padding: 0.1rem 0;
  border: 0;
  background: none;
  color: var(--_accent);
  font: inherit;
  text-align: start;
  text-decoration: underline 1px;
  text-underline-offset: 0.2em;
  cursor: pointer;
}
.link:hover { color: var(--_accent-strong); text-decoration-thickness: 2px; }
.link[aria-disabled="true"] { color: var(--_soft); text-decoration: none; cursor: default; }
.button + .link { margin-block-start: 0.9rem; }
.below { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.25rem 0.5rem; margin-block-start: 1.1rem; font-size: 0.9375rem; color: var(--_soft); }
.below.links { column-gap: 1.25rem; }

.panel, .notice { margin-block-start: 1.25rem; padding: 0.9rem 1rem; border: 1px solid var(--_rule); border-radius: var(--_round); background: var(--_sunken); font-size: 0.9375rem; line-height: 1.5; }
.panel .button { min-block-size: 2.5rem; margin-block-start: 0.75rem; padding-block: 0.35rem; }
.notice .button { min-block-size: 2.5rem; margin-block-start: 0.75rem; padding-block: 0.35rem; }
.notice.problem { border-color: var(--_alarm-edge); background: var(--_alarm-soft); }
.said > p:first-child:not(:last-child) { font-weight: 600; }
.notice p + p, .notice .countdown { margin-block-start: 0.35rem; }
.said:empty, .notice.empty { display: none; }
.countdown { font-variant-numeric: tabular-nums; }
.ledger { margin-block-start: 1.4rem; font-size: 0.9375rem; }
.ledger > div { padding-block: 0.65rem; border-block-start: 1px solid var(--_rule); }
.ledger dt { font-size: 0.875rem; color: var(--_soft); }
.ledger code { font: 0.8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }

:focus-visible { outline: 3px solid var(--_accent); outline-offset: 3px; }
input:focus-visible { outline-offset: 1px; }
h2:focus { outline: none; }

@media (prefers-reduced-motion: no-preference) {
  .busy::before { animation: turn 0.9s linear infinite; }
  @keyframes turn { to { transform: rotate(1turn); } }
}
@media (forced-colors: active) {
  .button, .button.quiet { border-color: ButtonText; }
  .button[aria-disabled="true"], .link[aria-disabled="true"] { border-color: GrayText; color: GrayText; }
  .status[data-link="up"]::before { background: CanvasText; forced-color-adjust: none; }
}
`;

let sheet: CSSStyleSheet | undefined;

/** One sheet for all elements of the page. A constructed sheet is no inline style, so `style-src` may be as strict as it likes. */
export function styles(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}

/** Tells the server that somebody is there, where a session ends for want of that. */

/** What a person does to a page. A script's own doings do not count. */
const SIGNS = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const;

/** Calls `report` when the person does something, and not more often than `idleMs` needs it. Returns how to stop. */
export function watchActivity(idleMs: number, report: () => void): () => void {
  const everyMs = Math.min(idleMs / 4, LONGEST_PAUSE_MS);
  // Opening the session was a sign of life.
  let reportedAt = performance.now();
  const see = (event: Event): void => {
    const now = performance.now();
    if (!event.isTrusted || now - reportedAt < everyMs) return;
    reportedAt = now;
    report();
  };
  const options = { capture: true, passive: true };
  for (const sign of SIGNS) globalThis.addEventListener?.(sign, see, options);
  return () => {
    for (const sign of SIGNS) globalThis.removeEventListener?.(sign, see, options);
  };
}

const LONGEST_PAUSE_MS = 60_000;

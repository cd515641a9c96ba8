/** How the connection is doing, for dashboards and readiness probes. */

/** How a stream is doing. Items say nothing about it: a quiet stream can be live or lost. */
export type Status =
  | { readonly status: 'connecting' }
  /** The server has accepted the key and sends what happens. */
  | { readonly status: 'live' }
  /** A worker that has no lane: others have them all, and it steps in when one of them leaves. */
  | { readonly status: 'standby' }
  /** The connection was lost; the stream resumes where it was. `why` is for people. */
  | { readonly status: 'waiting'; readonly retryInMs: number; readonly why: string }
  /** It is over. */
  | { readonly status: 'closed' };

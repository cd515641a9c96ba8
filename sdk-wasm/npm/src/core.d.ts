/** What the WebAssembly core exports (`sdk-wasm/src/client.rs`); core.js itself is generated. */

import type { PasskeyError } from './error.js';
import type { EndReason, Session, State } from './state.js';

export default function init(source: { module_or_path: WebAssembly.Module }): Promise<unknown>;

export class Core {
  constructor(
    app: string,
    url: string,
    origin: string,
    onState: (status: State['status'], session?: Session, reason?: EndReason | PasskeyError) => void,
    makeError: (...parts: ConstructorParameters<typeof PasskeyError>) => PasskeyError,
  );
  signUp(email: string, signal?: AbortSignal): Promise<[signUp: number, expiresAt: number]>;
  verify(signUp: number, code: string, signal?: AbortSignal): Promise<Session>;
  signIn(email: string, signal?: AbortSignal): Promise<Session>;
  signOut(): Promise<void>;
  leave(): void;
  close(): void;
}

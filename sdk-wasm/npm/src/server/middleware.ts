/** One function in the shapes that Express, Fastify and Hono know. */

import type { Account, VerifyOptions } from './account.js';
import { errorOf } from './failure.js';
import type { LiveSessions } from './live.js';
import { answer, type Answer } from './problem.js';
import {
  DEFAULT_BODY_LIMIT,
  NOTHING,
  checkOrigins,
  headOf,
  join,
  readBody,
  tooLarge,
  type Head,
} from './proof.js';

export interface MiddlewareOptions extends Omit<VerifyOptions, 'signal'> {
  /** Lets requests without any proof through, without an account. One that does not hold is refused all the same. */
  optional?: boolean;
}

/** What Express, Connect, Fastify (`onRequest`) and Hono call. */
export interface Middleware {
  (first: any, second: any, third?: any): any;
}

export function makeMiddleware(live: LiveSessions, options: MiddlewareOptions): Middleware {
  checkOrigins(live.originsFor(options));
  // Not async, and three parameters: Fastify takes it for a hook with a callback then, Express for a middleware.
  return (first: HonoContext | FastifyRequest | NodeRequest, second: unknown, third?: (error?: unknown) => void) => {
    if (isHono(first)) return inHono(live, options, first, second as () => Promise<void>);
    const done = third as (error?: unknown) => void;
    const isFastify = 'raw' in first;
    const raw = isFastify ? first.raw : first;
    const reply = isFastify ? (second as FastifyReply).raw : (second as NodeResponse);
    checkNode(live, options, raw).then(
      (account) => {
        if (account) first.account = account;
        if (account && !reply.hasHeader('cache-control')) reply.setHeader('cache-control', 'no-store');
        done();
      },
      (error: unknown) => {
        let refusal: Answer;
        try {
          refusal = answer(error);
        } catch (fault) {
          done(fault);
          return;
        }
        if (isFastify) {
          const { status, headers, body } = refusal;
          // Bytes, because Fastify adds a charset to text, which JSON has none of.
          (second as FastifyReply).code(status).headers(headers).send(new TextEncoder().encode(body));
        } else {
          reply.writeHead(refusal.status, refusal.headers).end(refusal.body);
        }
      },
    );
    return undefined;
  };
}

async function checkNode(
  live: LiveSessions,
  options: MiddlewareOptions,
  request: NodeRequest,
): Promise<Account | undefined> {
  const head = nodeHead(request);
  if (options.optional && hasNoProof(head)) return undefined;
  const { bodyLimit = DEFAULT_BODY_LIMIT } = options;
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) throw tooLarge();
  const checked = await live.checkHead(head, options);
  return checked.withBody(await nodeBody(request, bodyLimit));
}

async function inHono(
  live: LiveSessions,
  options: MiddlewareOptions,
  context: HonoContext,
  next: () => Promise<void>,
): Promise<Response | undefined> {
  const request = context.req.raw;
  const head = headOf(request);
  if (!(options.optional && hasNoProof(head))) {
    try {
      const { bodyLimit = DEFAULT_BODY_LIMIT } = options;
      const checked = await live.checkHead(head, options);
      const body = request.body === null ? NOTHING : await readBody(request.clone(), bodyLimit);
      context.set('account', checked.withBody(body));
    } catch (error) {
      const { status, headers, body } = answer(error);
      return new Response(body, { status, headers });
    }
  }
  await next();
  if (context.get('account') && !context.res.headers.has('cache-control')) context.header('cache-control', 'no-store');
  return undefined;
}

function hasNoProof(head: Head): boolean {
  return FIELDS.every((name) => head.field(name) === undefined);
}

function nodeHead(request: NodeRequest): Head {
  const { headers, rawHeaders } = request;
  const hosts: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase();
    if (name === 'host' || name === ':authority') hosts.push(rawHeaders[index + 1] ?? '');
  }
  return {
    method: request.method ?? '',
    hosts,
    // Express shortens `url` where routers are nested, and keeps the whole one aside.
    pathAndQuery: request.originalUrl ?? request.url ?? '',
    field: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
  };
}

/** Reads a body whole and leaves it in the stream: whoever parses it finds it as it came. */
async function nodeBody(request: NodeRequest, limit: number): Promise<Uint8Array> {
  if (request.rawBody !== undefined) return bytesOf(request.rawBody);
  // A stream that is read to its end is over for others too: without a body there is nothing to read.
  const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers;
  if (coding === undefined && Number(length) === 0 && request.httpVersionMajor === 1) return NOTHING;
  if (request.readableEnded || request.readableDidRead) {
    throw errorOf(
      'internal',
      'the body was read before its proof was checked: put the middleware before the body parser, or keep the bytes as request.rawBody',
    );
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      request.off('readable', read);
      request.off('end', ended);
      request.off('error', broken);
      request.off('close', broken);
    };
    const finish = (): void => {
      leave();
      const body = join(chunks, size);
      request.rawBody = body;
      resolve(body);
    };
    const read = (): void => {
      for (let chunk = request.read(); chunk !== null; chunk = request.read()) {
        chunks.push(chunk);
        size += chunk.byteLength;
        if (size > limit) {
          leave();
          request.resume();
          reject(tooLarge());
          return;
        }
      }
      // All is here, and the end was not said yet: from here on the stream can be given back what was read.
      if (request.complete && size > 0) {
        finish();
        request.unshift(join(chunks, size));
      }
    };
    const ended = (): void => finish();
    const broken = (): void => {
      leave();
      reject(errorOf('proofInvalid', 'the body did not arrive whole'));
    };
    request.on('readable', read);
    request.on('end', ended);
    request.on('error', broken);
    request.on('close', broken);
  });
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

function isHono(first: object): first is HonoContext {
  return 'req' in first && (first as Partial<HonoContext>).req?.raw instanceof Request;
}

/** What is used of Node's `IncomingMessage`, and what Express adds. */
interface NodeRequest {
  method?: string;
  url?: string;
  originalUrl?: string;
  httpVersionMajor: number;
  headers: Record<string, string | string[] | undefined>;
  rawHeaders: readonly string[];
  complete: boolean;
  readableEnded: boolean;
  readableDidRead: boolean;
  rawBody?: Uint8Array | string;
  account?: Account;
  read(): Uint8Array | null;
  unshift(chunk: Uint8Array): void;
  resume(): void;
  on(event: 'readable' | 'end' | 'error' | 'close', listener: () => void): void;
  off(event: 'readable' | 'end' | 'error' | 'close', listener: () => void): void;
}

/** What is used of Node's `ServerResponse`. */
interface NodeResponse {
  hasHeader(name: string): boolean;
  setHeader(name: string, value: string): void;
  writeHead(status: number, headers: Record<string, string>): { end(body: string): void };
}

interface FastifyRequest {
  raw: NodeRequest;
  account?: Account;
}

interface FastifyReply {
  raw: NodeResponse;
  code(status: number): { headers(headers: Record<string, string>): { send(body: Uint8Array): void } };
}

interface HonoContext {
  req: { raw: Request };
  res: Response;
  set(name: 'account', account: Account): void;
  get(name: 'account'): Account | undefined;
  header(name: string, value: string): void;
}

/** The fields that a proof travels in. */
const FIELDS = ['content-digest', 'signature', 'signature-input'];

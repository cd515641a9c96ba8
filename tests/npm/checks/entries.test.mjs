// Importing the package does nothing, whatever entry it is: that is what makes it safe in server-side rendering.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const folder = 'node_modules/passkey-accounts';
const { exports, sideEffects } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
const modules = Object.keys(exports).filter((entry) => typeof exports[entry] === 'object' && exports[entry].types);

function node(script, ...options) {
  const said = execFileSync(process.execPath, [...options, '--input-type=module', '--eval', script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return said.trim();
}

for (const entry of modules) {
  const name = `passkey-accounts${entry.slice(1)}`;

  test(`importing ${name} adds no global, prints nothing, and lets the process end`, () => {
    const script = `
      const before = new Set(Object.getOwnPropertyNames(globalThis));
      await import('${name}');
      const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
      if (added.length) console.log(added);
    `;
    assert.equal(node(script), '');
  });
}

test('connecting outside a browser says why it cannot', () => {
  const script = `
    const { connect, PasskeyError } = await import('passkey-accounts');
    const error = await connect({ app: 'app_x' }).catch((error) => error);
    console.log(error instanceof PasskeyError, error.code);
  `;
  assert.equal(node(script), 'true notSupported');
});

test('every entry throws errors of one class', () => {
  const script = `
    const { PasskeyError } = await import('passkey-accounts');
    const { FakeServer, SoftwareAuthenticator, install } = await import('passkey-accounts/testing');
    const { connect } = await import('passkey-accounts');
    const server = new FakeServer();
    install({ server, authenticator: new SoftwareAuthenticator() });
    server.failNext('signIn.begin', 'rateLimited');
    const client = await connect({ app: server.app, url: server.url });
    const error = await client.signIn({ email: 'ada@example.org' }).catch((error) => error);
    console.log(error instanceof PasskeyError, error.code);
    client.close();
  `;
  assert.equal(node(script), 'true rateLimited');
});

test('react is marked as client code, before anything else', () => {
  const code = readFileSync(`${folder}/${exports['./react'].default}`, 'utf8');
  assert.match(code, /^['"]use client['"];/);
});

test('bundlers may drop what is not used', () => {
  const kept = [sideEffects].flat().filter(Boolean);
  for (const entry of ['.', './react', './testing']) assert.ok(!kept.includes(exports[entry].default), entry);
});

for (const entry of modules.filter((entry) => exports[entry].workerd)) {
  test(`workerd finds its own passkey-accounts${entry.slice(1)}`, () => {
    const script = `console.log(import.meta.resolve('passkey-accounts${entry.slice(1)}'))`;
    const { workerd } = exports[entry];
    assert.ok(node(script, '--conditions=workerd').endsWith((workerd.default ?? workerd).slice(1)));
    assert.ok(existsSync(`${folder}/${workerd.default ?? workerd}`));
  });
}

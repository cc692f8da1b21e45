// What the Twilio tests share: starting callee's programs, and TwiML compared by meaning.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';

export const TOKEN = '0123456789abcdef0123456789abcdef';
export const PUBLIC = 'https://voice.example.com';
export const DEMO_NUMBER = '+15055550100';

const running = new Set();

/** Starts a program; `line(pattern)` resolves with the first match on its stdout or stderr. */
export function start(program, args, env = {}) {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([k]) => !/^(CALLEE_|TWILIO_|OPENAI_)/.test(k)),
  );
  const child = spawn(program, args, { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const p = { child, text: '', waiting: [] };
  running.add(p);
  const take = (data) => {
    p.text += data;
    p.waiting = p.waiting.filter((w) => {
      const m = p.text.match(w.pattern);
      if (m) w.resolve(m);
      return !m;
    });
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  p.exited = once(child, 'exit').then(([code]) => {
    running.delete(p);
    for (const w of p.waiting) w.reject(new Error(`${args[0]} ended early:\n${p.text}`));
    return code;
  });
  p.line = (pattern, ms = 30000) =>
    new Promise((resolve, reject) => {
      const m = p.text.match(pattern);
      if (m) return resolve(m);
      const late = setTimeout(() => reject(new Error(`no ${pattern} in:\n${p.text}`)), ms);
      p.waiting.push({
        pattern,
        resolve: (m2) => (clearTimeout(late), resolve(m2)),
        reject: (e) => (clearTimeout(late), reject(e)),
      });
    });
  p.stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    return p.exited;
  };
  return p;
}

export async function stopAll() {
  await Promise.all([...running].map((p) => p.stop()));
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export const form = (params) => new URLSearchParams(Object.entries(params).flatMap(
  ([k, v]) => (Array.isArray(v) ? v.map((one) => [k, one]) : [[k, v]])));

// -- TwiML by meaning: element order and text count, attribute order and escapes do not --

const entities = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const decode = (s) => s.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (all, e) => {
  if (e[0] !== '#') return entities[e] ?? all;
  return String.fromCodePoint(/^#x/i.test(e) ? parseInt(e.slice(2), 16) : Number(e.slice(1)));
});

/** [name, {attribute: value}, text, [children]] of an XML document of TwiML's kind. */
export function meaning(xml) {
  const root = ['', {}, '', []];
  const stack = [root];
  const token = /<\?[^>]*\?>|<!--.*?-->|<(\/?)([A-Za-z]+)((?:\s+[A-Za-z]+="[^"]*")*)\s*(\/?)>|([^<]+)/gs;
  let end = 0;
  for (const m of xml.matchAll(token)) {
    assert.equal(m.index, end, `not understood: ${xml.slice(end, m.index)}`);
    end = m.index + m[0].length;
    const top = stack[stack.length - 1];
    if (m[5] !== undefined) {
      top[2] += decode(m[5]).trim();
    } else if (m[1]) {
      assert.equal(top[0], m[2], 'tags match');
      stack.pop();
    } else if (m[2]) {
      const attributes = [...m[3].matchAll(/([A-Za-z]+)="([^"]*)"/g)];
      const node = [m[2], Object.fromEntries(attributes.map((a) => [a[1], decode(a[2])])), '', []];
      top[3].push(node);
      if (!m[4]) stack.push(node);
    }
  }
  assert.equal(end, xml.length, 'all understood');
  assert.equal(stack.length, 1, 'all closed');
  return root[3];
}

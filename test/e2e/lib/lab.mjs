// A place for one test: programs on free loopback ports, a folder of its own, and an end that
// always comes. Every journal left in a data folder must replay to the same decisions.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const TOKEN = '0123456789abcdef0123456789abcdef';
export const NUMBER = '+15055550100';

const binaries = [process.env.CALLEE_BIN, process.env.CALLEE_BUILT, 'build/release/callee'];
/** CALLEE_BIN, else what the build tree just made, else the release. */
export const CALLEE = resolve(ROOT, binaries.find((b) => b));

const DEADLINE_MS = 30000;
const TEXT_MAX = 64 << 20;

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks `what` until it gives something true; fails with `name` when that takes too long. */
export async function until(name, what, ms = DEADLINE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await what();
    if (got) return got;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${name}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** One program: its output so far in `out` and `err`, `exited` resolves to its exit code. */
class Program {
  constructor(args, env) {
    const clean = Object.entries(process.env).filter(([k]) => !/^(CALLEE_|TWILIO_|OPENAI_)/.test(k));
    this.args = args;
    this.out = '';
    this.err = '';
    this.child = spawn(CALLEE, args, {
      cwd: ROOT,
      env: { ...Object.fromEntries(clean), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.on('data', (d) => (this.out = (this.out + d).slice(-TEXT_MAX)));
    this.child.stderr.on('data', (d) => (this.err = (this.err + d).slice(-TEXT_MAX)));
    this.exited = once(this.child, 'close').then(([code, signal]) => signal ?? code);
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async line(pattern, ms = DEADLINE_MS) {
    const find = () => this.out.match(pattern) ?? this.err.match(pattern);
    await until(`${pattern} of ${this.args[0]}`, () => find() || !this.running, ms);
    const found = find();
    if (!found) throw new Error(`callee ${this.args.join(' ')} ended early:\n${this.out}${this.err}`);
    return found;
  }

  /** Ends it politely, or hard when it does not listen; a server must listen. */
  async stop(ms = DEADLINE_MS) {
    if (!this.running) return this.exited;
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), ms);
    const code = await this.exited;
    clearTimeout(late);
    return code;
  }

  async kill() {
    if (this.running) this.child.kill('SIGKILL');
    return this.exited;
  }

  /** All JSON lines of its standard output. */
  json() {
    return this.out.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
  }
}

export class Lab {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'callee_e2e.'));
    this.programs = new Set();
    this.servers = 0;
  }

  path(name) {
    return join(this.dir, name);
  }

  start(args, env = {}) {
    const p = new Program(args, env);
    this.programs.add(p);
    return p;
  }

  /** Runs a command to its end. `code` unless null must be its exit code. */
  async run(args, { code = 0, env = {} } = {}) {
    const p = this.start(args, env);
    const got = await p.exited;
    this.programs.delete(p);
    if (code !== null) assert.equal(got, code, `callee ${args.join(' ')}\n${p.out}${p.err}`);
    p.code = got;
    return p;
  }

  /** A scripted provider; `url` is its address. `figures()` ends it and gives what it counted. */
  async provider(args = []) {
    const p = this.start(['provider', '--listen', '127.0.0.1:0', '--json', ...args]);
    p.url = (await p.line(/listening on (ws:\S+)/))[1];
    p.figures = async () => {
      await p.stop();
      return p.json().at(-1);
    };
    return p;
  }

  /** A certificate for this machine, made by openssl: `cert` and `key`. */
  certificate(name = 'tls') {
    const [cert, key] = [this.path(`${name}.pem`), this.path(`${name}.key`)];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
      '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1',
      '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { cert, key };
  }

  /** A server, answering; `url`, `data` and `log` (its log so far). `tls`: a certificate(). */
  async serve(args = [], { data = this.path(`data${++this.servers}`), env = {}, tls = null,
    port = null } = {}) {
    port ??= await freePort();
    const url = `http${tls ? 's' : ''}://127.0.0.1:${port}`;
    const base = ['serve', '--listen', `127.0.0.1:${port}`, '--public-url', url, '--data', data,
      ...(tls ? ['--tls-cert', tls.cert, '--tls-key', tls.key] : [])];
    const p = this.start([...base, '--demo', ...args], { TWILIO_AUTH_TOKEN: TOKEN, ...env });
    Object.assign(p, { url, data, port, tls });
    Object.defineProperty(p, 'log', { get: () => p.err });
    await p.line(/ listens on /);
    await this.healthy(p);
    return p;
  }

  async healthy(server) {
    const { status, body } = await this.get(server, '/api/health');
    assert.equal(status, 200, 'GET /api/health');
    return JSON.parse(body);
  }

  /** GET, also from a server with a certificate(). */
  async get(server, path) {
    if (!server.tls) {
      const answer = await fetch(server.url + path);
      return { status: answer.status, body: await answer.text() };
    }
    const ca = readFileSync(server.tls.cert);
    return new Promise((done, failed) => {
      get(server.url + path, { ca, agent: false }, (answer) => {
        let body = '';
        answer.on('data', (d) => (body += d));
        answer.on('end', () => done({ status: answer.statusCode, body }));
      }).on('error', failed);
    });
  }

  /** The figures of /metrics by name, without their prefix. */
  async metrics(server) {
    const { body } = await this.get(server, '/metrics');
    return Object.fromEntries(body.split('\n').filter((l) => l && !l.startsWith('#'))
      .map((l) => l.split(' ')).map(([k, v]) => [k.replace('callee_', ''), Number(v)]));
  }

  dialArgs(server, steps) {
    const ca = server.tls ? ['--ca-file', server.tls.cert] : [];
    return ['dial', '--url', server.url, '--token', TOKEN, '--to', NUMBER, '--json', ...ca, ...steps];
  }

  /** Places calls and gives what the callers tell of them, by their number. */
  async dial(server, steps) {
    const p = await this.run(this.dialArgs(server, steps), { code: null });
    const reports = p.json().sort((a, b) => a.call - b.call);
    assert.ok(reports.length > 0, `dial told nothing: ${p.out}${p.err}`);
    return reports;
  }

  /** All calls of a data folder with their turns and tools, oldest first. */
  async calls(data) {
    const list = (await this.run(['calls', '--data', data, '--limit', '100', '--json'])).json();
    const all = [];
    for (const { id } of list.reverse())
      all.push((await this.run(['calls', id, '--data', data, '--json'])).json()[0]);
    return all;
  }

  async callOf(server, callSid) {
    return until(`call ${callSid} in the store`, async () =>
      (await this.calls(server.data)).find((c) => c.callSid === callSid && c.endedAtMs > 0));
  }

  journals(data) {
    const dir = join(data, 'journals');
    if (!existsSync(dir)) return [];
    return readdirSync(dir).filter((f) => f.endsWith('.jrn')).map((f) => join(dir, f));
  }

  /** Every journal of a data folder gives the recorded decisions again. Their number. */
  async verify(data) {
    const files = this.journals(data);
    if (files.length) {
      const p = await this.run(['replay', '--verify', ...files]);
      assert.equal(p.out.match(/: equal$/gm)?.length, files.length, p.out);
    }
    return files.length;
  }

  /** Ends a server: no call may be left open, and every journal must replay. */
  async finish(server) {
    await this.healthy(server);
    assert.equal(await server.stop(), 0, `the server ends in peace:\n${server.log}`);
    const calls = await this.calls(server.data);
    for (const c of calls) assert.ok(c.endedAtMs > 0 && c.status, `call ${c.id} is still open`);
    const journals = await this.verify(server.data);
    return { calls, journals };
  }

  /** A folder for --demo-dir: the demo business with `config` laid over its settings (null takes
   * one away), and these passages instead of its own if given. */
  business(name, { config = {}, passages = null, business = {} }) {
    const dir = mkdtempSync(join(this.dir, `${name}.`));
    const whole = JSON.parse(readFileSync(join(ROOT, 'demo/pecos.json')));
    Object.assign(whole.business, business);
    for (const [key, value] of Object.entries(config)) {
      if (value === null) delete whole.config[key];
      else whole.config[key] = value;
    }
    writeFileSync(join(dir, 'pecos.json'), JSON.stringify(whole));
    const lines = passages ? passages.map((p) => JSON.stringify(p)).join('\n') + '\n'
      : readFileSync(join(ROOT, 'demo/pecos.jsonl'));
    writeFileSync(join(dir, 'pecos.jsonl'), lines);
    return dir;
  }

  /** A business that gets to the point and never closes: tests have little time. */
  terse(config = {}) {
    return this.business('terse', { config: {
      announcement: { text: 'This call is recorded.' },
      greeting_message: { text: 'Hello. How can I help you?' },
      after_hours: null, opening_hours: null, holidays: null, ...config,
    } });
  }

  async close() {
    await Promise.all([...this.programs].map((p) => p.kill()));
    if (!process.env.CALLEE_E2E_KEEP) rmSync(this.dir, { recursive: true, force: true });
    else console.log(`kept ${this.dir}`);
  }
}

/** Runs a test and exits with its result; its programs and files are gone in every case. */
export async function main(test) {
  const lab = new Lab();
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => lab.close().finally(() => process.exit(1)));
  let code = 0;
  const began = Date.now();
  try {
    console.log(`program: ${CALLEE}`);
    assert.ok(existsSync(CALLEE), 'the program exists');
    await test(lab);
    console.log(`passed in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  } catch (error) {
    code = 1;
    console.error(error);
    for (const p of lab.programs)
      if (p.args[0] === 'serve' && p.running) console.error(`-- log of ${p.data}\n${p.err.slice(-6000)}`);
  }
  await lab.close();
  process.exit(code);
}

/** Runs `work` for each item, at most `width` at a time; results in order. */
export async function pooled(items, width, work) {
  const results = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at], at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

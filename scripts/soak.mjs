// Churn for hours: calls begin, talk, interrupt, hang up, lose their stream, and the provider is killed;
// memory, descriptors, threads and segment files are sampled and must stay flat: after a warm-up the
// line fitted through them may not rise by more than what is allowed in all. Run by soak.sh.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [, , callee, hoursText, sampleText] = process.argv;
const LENGTH_MS = Number(hoursText) * 3600000;
const SAMPLE_MS = Number(sampleText ?? 10) * 1000;
const LANES = Number(process.env.SOAK_LANES ?? 6); // callers at once
const TOKEN = '0123456789abcdef0123456789abcdef';
const KILL_MS = 60000; // between two deaths of the provider
// What may grow in all between warm-up and end, by the fitted line.
const ALLOWED = { rssKb: 4096, fds: 4, threads: 1, segments: 2 };
const WARM_UP = 0.25; // of the samples: pools, caches and the database's pages fill

const dir = mkdtempSync(join(tmpdir(), 'callee_soak.'));
const children = new Set();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let end = Infinity; // set when the churn begins
const count = { calls: 0, ok: 0, kills: 0 };

function start(args, onLine = () => {}) {
  const env = { ...process.env, TWILIO_AUTH_TOKEN: TOKEN };
  const child = spawn(callee, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  child.exited = new Promise((done) => child.once('close', (code) => (children.delete(child), done(code))));
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', onLine);
  return child;
}

function listening(args, pattern) {
  return new Promise((done, fail) => {
    const child = start(args, (line) => pattern.test(line) && done(child));
    child.exited.then(() => fail(new Error(`callee ${args[0]} does not listen`)));
  });
}

async function freePort() {
  const s = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => s.once('listening', done));
  const { port } = s.address();
  await new Promise((done) => s.close(done));
  return port;
}

const kinds = [
  ['--say', 'What are your opening hours?', '--say', 'Goodbye.'],
  ['--say', 'Tell me about shipping.', '--interrupt-after', '600', '--say', 'Wait, and returns?'],
  ['--say', 'Hello there.', '--hangup-after', '1500'],
  ['--dtmf', '5', '--say', 'What do you sell?'],
];

async function lane(url, first) {
  for (let i = first; Date.now() < end; i++) {
    const args = ['dial', '--url', url, '--token', TOKEN, '--to', '+15055550100', '--json', ...kinds[i % kinds.length]];
    const lines = [];
    const dial = start(args, (line) => line.startsWith('{') && lines.push(line));
    count.calls++;
    // Every fifth caller's line goes dead: no goodbye, no close.
    const dead = i % 5 === 4 ? setTimeout(() => dial.kill('SIGKILL'), 2000 + (i % 7) * 300) : null;
    await dial.exited;
    clearTimeout(dead);
    count.ok += lines.some((l) => JSON.parse(l).ok) ? 1 : 0;
    await sleep(300);
  }
}

async function deaths(port, args) {
  let provider = await listening(args, /listening on/);
  while (Date.now() + KILL_MS < end) {
    await sleep(KILL_MS);
    provider.kill('SIGKILL');
    await provider.exited;
    await sleep(1000);
    provider = await listening(args, /listening on/);
    count.kills++;
  }
}

function sample(pid, data) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))[1]);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return {
    rssKb: field('VmRSS'), threads: field('Threads'), fds: readdirSync(`/proc/${pid}/fd`).length,
    segments: readdirSync(join(data, 'journals/segments')).filter((f) => f.endsWith('.seg')).length,
    cpuMs: (Number(stat[11]) + Number(stat[12])) * 10, atMs: Date.now(),
  };
}

/** How much the least-squares line through the values rises from first to last. */
function rise(values) {
  const n = values.length, mean = (n - 1) / 2, level = values.reduce((a, b) => a + b, 0) / n;
  let over = 0, under = 0;
  values.forEach((v, i) => ((over += (i - mean) * (v - level)), (under += (i - mean) ** 2)));
  return under ? (over / under) * (n - 1) : 0;
}

function report(samples) {
  const used = samples.slice(Math.ceil(samples.length * WARM_UP));
  const hours = (used.at(-1).atMs - used[0].atMs) / 3600000;
  let flat = true;
  console.log(`\n${count.calls} calls, ${count.ok} completed as the caller wanted, provider killed ${count.kills} times`);
  console.log('what        first    last     max     line rises by   allowed');
  for (const [name, allowed] of Object.entries(ALLOWED)) {
    const values = used.map((s) => s[name]);
    const up = rise(values);
    flat &&= up <= allowed;
    const cells = [values[0], values.at(-1), Math.max(...values)].map((v) => String(v).padStart(8));
    console.log(`${name.padEnd(9)}${cells.join('')}   ${up.toFixed(1).padStart(11)}  ${String(allowed).padStart(8)}${up <= allowed ? '' : '  NOT FLAT'}`);
  }
  const cpu = (used.at(-1).cpuMs - used[0].cpuMs) / (used.at(-1).atMs - used[0].atMs);
  console.log(`server's processor use ${(cpu * 100).toFixed(1)} % of a core over ${hours.toFixed(2)} h, ${used.length} samples`);
  return flat;
}

async function soak() {
  const [port, providerPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const data = join(dir, 'data');
  const providerArgs = ['provider', '--listen', `127.0.0.1:${providerPort}`];
  const server = await listening(['serve', '--listen', `127.0.0.1:${port}`, '--public-url', url, '--data', data,
    '--demo', '--engine', 'realtime', '--provider-url', `ws://127.0.0.1:${providerPort}/v1/realtime`,
    '--connect-timeout', '2s', '--response-timeout', '3s', '--max-local-calls', '2',
    '--log-level', 'error'], / listens on /);
  // The fall-back loads its models once and keeps them: now, with nobody else to answer.
  const warm = start(['dial', '--url', url, '--token', TOKEN, '--to', '+15055550100', '--calls', '4', '--spread', '100',
    '--say', 'What are your opening hours?', '--say', 'Do you ship abroad?']);
  await warm.exited;
  end = Date.now() + LENGTH_MS;
  const dying = deaths(providerPort, providerArgs);
  const lanes = Array.from({ length: LANES }, (_, i) => sleep(i * 700).then(() => lane(url, i)));
  const samples = [];
  while (Date.now() < end) {
    await sleep(Math.min(SAMPLE_MS, Math.max(0, end - Date.now())));
    samples.push(sample(server.pid, data));
    const s = samples.at(-1);
    if (samples.length % 30 === 1) console.log('time      rss KB   fds  threads  segments  calls');
    console.log(`${new Date().toISOString().slice(11, 19)} ${String(s.rssKb).padStart(8)}${String(s.fds).padStart(6)}` +
      `${String(s.threads).padStart(8)}${String(s.segments).padStart(9)}${String(count.calls).padStart(9)}`);
  }
  const flat = report(samples);
  await Promise.all(lanes);
  await dying.catch(() => {});
  server.kill('SIGTERM');
  const code = await server.exited;
  if (code !== 0) console.log(`the server ended with ${code}`);
  return flat && code === 0;
}

let good = false;
try {
  good = await soak();
} catch (error) {
  console.error(error);
}
for (const child of children) child.kill('SIGKILL');
rmSync(dir, { recursive: true, force: true });
console.log(good ? 'flat' : 'not as it should be');
process.exit(good ? 0 : 1);

// Calls outlive what they run in: kill -9 and a restart, twice in one call, a stream that breaks while
// the server lives, and a window that passes. Each call is one row and one journal that replays.
import assert from 'node:assert/strict';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, main, until, TOKEN } from '../lib/lab.mjs';

const CALLS = 6;
const MANY = 2000;
const TALK = ['--say', 'Hello, what are your opening hours today?',
  '--say', 'How much is shipping to Austin?', '--say', 'Thank you very much, goodbye.'];
const PHRASE = 'Sorry about that, I am here again.';

const args = (lab, provider) => ['--engine', 'realtime', '--provider-url', provider.url,
  '--demo-dir', lab.terse(), '--show-calls'];

const lasting = (server, dial) => until('every stream', () =>
  server.log.match(/engine\.ready/g)?.length >= CALLS || !dial.running);

/** Kills the server and starts the next one on its port, at once. */
async function restart(lab, server, options) {
  await server.kill();
  return lab.serve(options, { data: server.data, port: server.port });
}

/** What callers tell, and what is left: one completed row and one whole journal a call. */
async function check(lab, server, dial, calls, breaks) {
  await dial.exited;
  const reports = dial.json();
  assert.equal(reports.length, calls);
  for (const r of reports) {
    assert.equal(r.trouble, null, `call ${r.call}: ${JSON.stringify(r.breaks)} ${server.log.slice(-4000)}`);
    assert.equal(r.resumed, breaks, `call ${r.call} resumed`);
    for (const b of r.breaks) assert.ok(b.words_came_back, `call ${r.call}: ${JSON.stringify(b)}`);
  }
  const left = await lab.finish(server);
  assert.equal(left.calls.length, calls);
  assert.equal(left.journals, calls);
  for (const c of left.calls) {
    assert.equal(c.status, 'completed', JSON.stringify(c));
    const said = c.turns.filter((t) => t.text === PHRASE);
    assert.equal(said.length, breaks, `${c.id}: the phrase, once a break: ${JSON.stringify(c.turns)}`);
    assert.equal(new Set(c.turns.map((t) => t.seq ?? t.itemId)).size, c.turns.length);
  }
  const silences = reports.flatMap((r) => r.breaks.map((b) => b.silence_ms)).sort((a, b) => a - b);
  return { median: silences[silences.length >> 1], max: silences.at(-1), calls: left.calls };
}

const told = (name, f) =>
  console.log(`${name}: silence ${f.median} ms in the median, ${f.max} ms at most`);

/** Kills the server `kills` times in the middle of the calls. */
async function killed(lab, kills) {
  const provider = await lab.provider();
  const options = args(lab, provider);
  let server = await lab.serve(options);
  const dial = lab.start(lab.dialArgs(server, ['--calls', String(CALLS), '--spread', '100', ...TALK]));
  await lasting(server, dial);
  await server.line(/ caller  Caller turn 1/);
  for (let i = 0; i < kills; i++) {
    server = await restart(lab, server, options);
    await until('all calls to be resumed', () => server.log.match(/call\.resumed/g)?.length === CALLS);
    const heard = server;
    await until('the phrase to be heard', () => heard.out.split(PHRASE).length > CALLS);
  }
  told(`killed ${kills} times`, await check(lab, server, dial, CALLS, kills));
  const seen = await provider.figures();
  assert.equal(seen.violationCount, 0, JSON.stringify(seen.violations));
}

/** The first turn is told to the session that answers after the kill. */
async function context(lab) {
  const provider = await lab.provider();
  const options = args(lab, provider);
  let server = await lab.serve(options);
  const dial = lab.start(lab.dialArgs(server, TALK));
  await server.line(/ caller  Caller turn 2/); /* the last quarter of a second may be lost, not turn 1 */
  server = await restart(lab, server, options);
  const { calls } = await check(lab, server, dial, 1, 1);
  const printed = (await lab.run(['journal', 'print', calls[0].id, '--data', server.data])).out;
  const after = printed.slice(printed.indexOf(' resumed '));
  assert.match(after, /conversation\.item\.create[^\n]*Caller turn 1/, 'the turn before the kill is told');
  const wav = lab.path('resumed.wav');
  await lab.run(['journal', 'export', calls[0].id, '--data', server.data, '--wav', wav, '--text']);
  console.log('the new session was told what the dead one knew');
  await provider.stop();
}

/** A proxy on the carrier's way, that can break every connection through it. */
async function proxy(port) {
  const pairs = new Set();
  const door = createServer((a) => {
    const b = connect(port, '127.0.0.1');
    const pair = [a, b];
    pairs.add(pair);
    for (const [x, y] of [[a, b], [b, a]]) {
      x.on('data', (d) => y.write(d));
      x.on('error', () => y.destroy());
      x.on('close', () => { pairs.delete(pair); y.end(); });
    }
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  return {
    port: door.address().port,
    cut() { for (const [a, b] of pairs) { a.destroy(); b.resetAndDestroy(); } },
    close() { door.close(); this.cut(); },
  };
}

async function broken(lab) {
  const provider = await lab.provider();
  const port = await freePort();
  const way = await proxy(port);
  const server = await lab.serve([...args(lab, provider), '--public-url', `http://127.0.0.1:${way.port}`],
    { port });
  const dial = lab.start(['dial', '--url', `http://127.0.0.1:${way.port}`, '--token', TOKEN, '--json',
    '--calls', String(CALLS), '--spread', '100', ...TALK]);
  await lasting(server, dial);
  await server.line(/ caller  Caller turn 1/);
  way.cut();
  await until('all calls to be resumed', () => server.log.match(/call\.resumed/g)?.length === CALLS);
  const opened = server.log.match(/engine\.ready/g).length;
  told('streams cut while the server lives', await check(lab, server, dial, CALLS, 1));
  assert.equal(opened, CALLS, 'the engine sessions were kept');
  way.close();
  const seen = await provider.figures();
  assert.equal(seen.violationCount, 0, JSON.stringify(seen.violations));
}

/** Nobody asks: the call is closed when the window has passed, as of when it was lost. */
async function passed(lab) {
  const provider = await lab.provider();
  const options = [...args(lab, provider), '--resume-window', '2s'];
  const server = await lab.serve(options);
  const dial = lab.start(lab.dialArgs(server, TALK));
  await server.line(/ caller  Caller turn 1/);
  await dial.kill(); // no hang-up is heard of
  await server.line(/call\.lost/);
  await server.line(/call\.ended .*reason="stream lost"/);
  const [call] = (await lab.finish(server)).calls;
  assert.equal(call.endReason, 'stream lost');
  await provider.stop();
  console.log('a window that passed closed the call');
}

const TABLE = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
  return n >>> 0;
});

function crc32c(...parts) {
  let crc = 0xffffffff;
  for (const part of parts) for (const byte of part) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** `count` calls as a dead process would leave them: the first records of a real one, renamed. */
function forge(data, journal, count) {
  const file = readFileSync(journal);
  const records = [];
  for (let at = 0; at + 32 <= file.length && records.length < 200;) {
    const end = at + 32 + file.readUInt32LE(at + 4);
    if (file.readUInt16LE(at + 24) !== 3) records.push(file.subarray(at, end));
    at = end;
  }
  const dir = join(data, 'journals', 'segments');
  mkdirSync(dir, { recursive: true });
  const id = JSON.parse(records[0].subarray(32)).callId;
  const pieces = [];
  for (let i = 0; i < count; i++)
    for (const record of records) {
      const copy = Buffer.from(record);
      copy.writeUInt32LE(i, 12);
      if (record === records[0])
        copy.write(record.toString('latin1', 32).replaceAll(id, id.slice(0, -8) + String(i).padStart(8, '0')),
          32, 'latin1');
      copy.writeUInt32LE(crc32c(copy.subarray(0, 8), copy.subarray(12)), 8);
      pieces.push(copy);
    }
  const all = Buffer.concat(pieces);
  writeFileSync(join(dir, '0000000000001-1-0.000000.seg'), all);
  return all.length;
}

/** The server listens before it looks at what there is to recover, however much that is. */
async function listensAtOnce(lab) {
  const provider = await lab.provider();
  const first = await lab.serve(args(lab, provider));
  await lab.dial(first, TALK.slice(0, 2));
  const { calls } = await lab.finish(first);
  const data = lab.path('many');
  mkdirSync(data);
  const bytes = forge(data, join(first.data, 'journals', `${calls[0].id}.jrn`), MANY);
  const server = await lab.serve(args(lab, provider), { data });
  const ready = Number((await server.line(/server\.ready ms=(\d+)/))[1]);
  await server.line(new RegExp(`server\\.recovered calls=${MANY} `), 60000);
  const all = Number(server.log.match(/all_ms=(\d+)/)[1]);
  console.log(`${MANY} calls (${(bytes / 1e6).toFixed(0)} MB) to recover: listens after ${ready} ms, ` +
    `recovered after ${all} ms`);
  assert.ok(ready < all, 'it listened before');
  assert.equal(await server.stop(), 0, 'the server ends in peace');
  await provider.stop();
}

await main(async (lab) => {
  await killed(lab, 1);
  await killed(lab, 2);
  await context(lab);
  await broken(lab);
  await passed(lab);
  await listensAtOnce(lab);
});

// What a machine that runs out of something does to calls in progress, one row each: two calls are
// talking when it begins and a third rings meanwhile. Each row tells what the callers heard, what the
// log and the health answer say, and checks that everything is well again after relief and that
// nothing recorded before is lost. shim.c plays the disk and the clock; limits are the kernel's.
// CALLEE_E2E_ONLY=words plays the rows whose names contain them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

// The sanitizers want to be loaded first, so it is the release that is played with.
process.env.CALLEE_BIN ??= 'build/release/callee';
const { NUMBER, main, pooled, until } = await import('../lib/lab.mjs');

const [, , shim] = process.argv;
const WIDTH = 4;
const HOUR_MS = 3600000;
const CALM = [0, 0, 0, 0, 0];
const TALK = ['--say', 'What are your opening hours?', '--say', 'How much is shipping?',
  '--say', 'Can I return my boots?'];

const prlimit = (pid, ...what) => execFileSync('prlimit', ['--pid', String(pid), ...what]);
const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const softLimit = (pid, name) =>
  readFileSync(`/proc/${pid}/limits`, 'utf8').split('\n').find((l) => l.startsWith(name)).slice(26).trim().split(/\s+/)[0];
const pages = (pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[0]);

// begin: the trouble; health: the answer expected meanwhile; heard: ms each talking caller must have
// heard; rings: the third caller must be answered; dies: the process may end, and is started again.
const rows = [
  { name: 'disk full', control: [1, 0, 0, 0, 0], health: 503, rings: true, log: /journal\.failing .*No space left|store\.write_failed/ },
  { name: 'data read-only', control: [0, 1, 0, 0, 0], health: 503, rings: true, log: /journal\.failing .*Read-only|store\.write_failed/ },
  { name: 'slow disk: 400 ms a sync, 20 ms a write', control: [0, 0, 20, 400, 0], rings: true, syncUs: 400000 },
  { name: 'clock an hour back', control: [0, 0, 0, 0, -HOUR_MS], rings: true, moved: -HOUR_MS },
  { name: 'clock an hour forward', control: [0, 0, 0, 0, HOUR_MS], rings: true, moved: HOUR_MS },
  { name: 'no descriptors left', log: /http\.accept|accept/, rings: false,
    begin: (s) => {
      s.files ??= softLimit(s.child.pid, 'Max open files');
      prlimit(s.child.pid, `--nofile=${openFiles(s.child.pid)}:`);
    },
    relief: (s) => prlimit(s.child.pid, `--nofile=${s.files}:`) },
  { name: 'no memory left', rings: false, dies: true, heard: 0,
    begin: (s) => prlimit(s.child.pid, `--as=${pages(s.child.pid) * 4096}:`),
    relief: (s) => s.running && prlimit(s.child.pid, '--as=unlimited:') },
];

async function health(server) {
  const ask = fetch(`${server.url}/api/health`, { signal: AbortSignal.timeout(3000) });
  return ask.then((r) => r.status, () => 0);
}

function ended(lab, p) {
  return p.exited.then(() => p.json().sort((a, b) => a.call - b.call));
}

async function play(lab, row, server, set) {
  const from = server.log.length;
  const before = await lab.calls(server.data);
  const talking = lab.start(lab.dialArgs(server, ['--calls', '2', '--spread', '100', ...TALK]));
  await until('two calls in their streams', () => server.log.slice(from).match(/engine\.ready/g)?.length === 2);
  if (row.control) set(row.control);
  row.begin?.(server);
  const third = lab.start(lab.dialArgs(server, ['--from', '+15055550133', ...TALK.slice(0, 2)]));
  let worst = 200;
  const asks = (async () => {
    while (talking.running && server.running) {
      const got = await health(server);
      if (got !== 200) worst = got;
      await new Promise((done) => setTimeout(done, 500));
    }
  })();
  const reports = await ended(lab, talking);
  if (!row.rings) row.relief?.(server);
  const [rang] = await ended(lab, third);
  await asks;
  const metrics = server.running ? await fetch(`${server.url}/metrics`).then((r) => r.text(), () => '') : '';
  set(CALM);
  row.relief?.(server);
  return { metrics, reports, rang, worst, before, log: server.log.slice(from) };
}

async function settle(lab, row, server, restart) {
  let now = server;
  if (!server.running) {
    assert.ok(row.dies, `the server died:\n${server.log.slice(-3000)}`);
    now = await restart();
  }
  await until('health to be good again', async () => (await health(now)) === 200, 20000);
  await until('every call to be closed', async () => (await lab.calls(now.data)).every((c) => c.endedAtMs > 0), 20000);
  return now;
}

function check(row, seen, after) {
  const told = JSON.stringify({ reports: seen.reports, rang: seen.rang, worst: seen.worst }, null, 1);
  for (const r of seen.reports) assert.ok(r.heard_ms >= (row.heard ?? 4000), told);
  if (!row.dies) for (const r of seen.reports) assert.equal(r.ok, true, told);
  if (row.rings) assert.equal(seen.rang.ok, true, told);
  if (row.health) assert.equal(seen.worst, row.health, told);
  if (row.log) assert.match(seen.log, row.log);
  if (row.syncUs) assert.ok(Number(seen.metrics.match(/^callee_journal_sync_us_max (\d+)/m)[1]) >= row.syncUs, 'it was slow');
  if (row.moved) {
    const off = (l) => Math.abs(Date.parse(l.split(' ')[0]) - Date.now() - row.moved);
    assert.ok(seen.log.split('\n').some((l) => off(l) < 300000), 'the clock was another');
  }
  for (const old of seen.before) {
    const still = after.find((c) => c.id === old.id);
    assert.ok(still && still.turns.length >= old.turns.length, `call ${old.id} is still whole`);
  }
}

function tell(row, seen, after, died) {
  const heard = (r) => (r ? `${(r.heard_ms / 1000).toFixed(1)} s heard, ended by ${r.ended_by}` : 'nothing');
  const line = seen.log.split('\n').map((l) => l.replace(/^\S+Z /, '')).find((l) => /^(warn|error) /.test(l)) ?? '-';
  console.log(`${row.name}\n    callers: ${seen.reports.map(heard).join('; ')}; the third: ${heard(seen.rang)}\n` +
    `    health meanwhile: ${seen.worst || 'no answer'}; log: ${line.slice(0, 110)}\n    afterwards: ${died ? 'the process had ended; started again: ' : ''}${after.length} calls, all closed`);
}

await main(async (lab) => {
  assert.equal(spawnSync('prlimit', ['--version']).status, 0, 'prlimit (util-linux) is there');
  const only = process.env.CALLEE_E2E_ONLY ?? '';
  const provider = await lab.provider();
  const args = ['--engine', 'realtime', '--provider-url', provider.url, '--demo-dir', lab.terse()];
  const chosen = rows.filter((r) => r.name.includes(only));
  let [calls, journals] = [0, 0];
  await pooled(chosen, WIDTH, async (row, i) => {
    const control = lab.path(`control-${i}`);
    const set = (numbers) => writeFileSync(control, `${numbers.join(' ')}\n`);
    set(CALM);
    const env = { LD_PRELOAD: shim, CALLEE_SHIM: control };
    const first = await lab.serve(args, { env });
    await lab.dial(first, ['--say', 'Hello, are you there?']); // what was recorded before
    const seen = await play(lab, row, first, set);
    const last = await settle(lab, row, first, () => lab.serve(args, { data: first.data, env }));
    const after = await lab.calls(last.data);
    tell(row, seen, after, last !== first);
    check(row, seen, after);
    const end = await lab.finish(last);
    calls += end.calls.length;
    journals += end.journals;
  });
  console.log(`${chosen.length} rows; ${calls} calls to ${NUMBER} closed, ${journals} journals replay`);
});

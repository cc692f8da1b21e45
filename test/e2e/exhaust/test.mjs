// What a machine that runs out of something does to calls in progress, one row each: two calls are
// talking when it begins and a third rings meanwhile. Each row tells what the callers heard, what the
// log and the health answer say, and checks that everything is well again after relief and that
// nothing recorded before is lost. shim.c plays the disk and the clock; limits are the kernel's.
// CALLEE_E2E_ONLY=words plays the rows whose names contain them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { NUMBER, main, until } from '../lib/lab.mjs';

const [, , shim] = process.argv;
const HOUR_MS = 3600000;
const CALM = [0, 0, 0, 0, 0];
const TALK = ['--say', 'What are your opening hours?', '--say', 'How much is shipping?',
  '--say', 'Can I return my boots?'];

const prlimit = (pid, ...what) => execFileSync('prlimit', ['--pid', String(pid), ...what]);
const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const pages = (pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[0]);

// begin: the trouble; health: the answer expected meanwhile; heard: ms each talking caller must have
// heard; rings: the third caller must be answered; dies: the process may end, and is started again.
const rows = [
  { name: 'disk full', control: [1, 0, 0, 0, 0], health: 503, rings: true, log: /journal\.failing .*No space left|store\.write_failed/ },
  { name: 'data read-only', control: [0, 1, 0, 0, 0], health: 503, rings: true, log: /journal\.failing .*Read-only|store\.write_failed/ },
  { name: 'slow disk: 400 ms a sync, 20 ms a write', control: [0, 0, 20, 400, 0], rings: true },
  { name: 'clock an hour back', control: [0, 0, 0, 0, -HOUR_MS], rings: true },
  { name: 'clock an hour forward', control: [0, 0, 0, 0, HOUR_MS], rings: true },
  { name: 'no descriptors left', log: /http\.accept|accept/, rings: false,
    begin: (s) => prlimit(s.child.pid, `--nofile=${openFiles(s.child.pid)}:65536`),
    relief: (s) => prlimit(s.child.pid, '--nofile=65536:65536') },
  { name: 'no memory left', rings: false, dies: true, heard: 0,
    begin: (s) => prlimit(s.child.pid, `--as=${pages(s.child.pid) * 4096}:unlimited`),
    relief: (s) => s.running && prlimit(s.child.pid, '--as=unlimited:unlimited') },
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
  set(CALM);
  row.relief?.(server);
  return { reports, rang, worst, before, log: server.log.slice(from) };
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
  for (const old of seen.before) {
    const still = after.find((c) => c.id === old.id);
    assert.ok(still && still.turns.length >= old.turns.length, `call ${old.id} is still whole`);
  }
}

function tell(row, seen, after) {
  const heard = (r) => (r ? `${(r.heard_ms / 1000).toFixed(1)} s heard, ended by ${r.ended_by}` : 'nothing');
  const line = seen.log.split('\n').map((l) => l.replace(/^\S+Z /, '')).find((l) => /^(warn|error) /.test(l)) ?? '-';
  console.log(`${row.name}\n    callers: ${seen.reports.map(heard).join('; ')}; the third: ${heard(seen.rang)}\n` +
    `    health meanwhile: ${seen.worst || 'no answer'}; log: ${line.slice(0, 110)}\n    afterwards: ${after.length} calls, all closed`);
}

await main(async (lab) => {
  assert.equal(spawnSync('prlimit', ['--version']).status, 0, 'prlimit (util-linux) is there');
  const only = process.env.CALLEE_E2E_ONLY ?? '';
  const provider = await lab.provider();
  const control = lab.path('control');
  const set = (numbers) => writeFileSync(control, `${numbers.join(' ')}\n`);
  set(CALM);
  const args = ['--engine', 'realtime', '--provider-url', provider.url, '--demo-dir', lab.terse()];
  const env = { LD_PRELOAD: shim, CALLEE_SHIM: control };
  let server = await lab.serve(args, { env });
  const chosen = rows.filter((r) => r.name.includes(only));
  for (const row of chosen) {
    const seen = await play(lab, row, server, set);
    server = await settle(lab, row, server, () => lab.serve(args, { data: server.data, env }));
    const after = await lab.calls(server.data);
    tell(row, seen, after);
    check(row, seen, after);
  }
  const { calls, journals } = await lab.finish(server);
  console.log(`${chosen.length} rows; ${calls.length} calls to ${NUMBER} closed, ${journals} journals replay`);
});

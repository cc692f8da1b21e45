// Peers that mean harm do not reach the calls: the same calls are placed in peace and under attack,
// in plain and in TLS, and what their callers heard is compared. New calls come through a full
// server, and memory and descriptors come back.
// CALLEE_E2E_CALLS=N places N calls each time (20).
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { main, until } from '../lib/lab.mjs';
import { Attackers } from './attackers.mjs';

const calls = Number(process.env.CALLEE_E2E_CALLS ?? 20);
const TALK = ['--say', 'Hello, what are your opening hours today?', '--first-settle', '1000'];
const LATER_MS_MAX = 150; // the median answer under attack, against peace
const SLOWEST_MS_MAX = 1500;
const SOCKETS_LEFT_MAX = 8;
const KEPT_KB_MAX = 32 << 10;

/** Of the server: descriptors, and resident memory in KB. */
function held(server) {
  const pid = server.child.pid;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return { fds: readdirSync(`/proc/${pid}/fd`).length, rss: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) };
}

/** A kept connection may give way just when it is used again. */
const metrics = (lab, server) => until('figures', () => lab.metrics(server).catch(() => null));

/** One address tries to have more than it may; then five want more than a server has room for, and
 * a sixth does the rest. */
async function attack(server, lab) {
  const attackers = new Attackers(server);
  const seen = (what, count) => until(`${count} ${what}`, async () =>
    (await metrics(lab, server))[`http_connections_${what}_total`] > count);
  attackers.add('silent', 1100, 2);
  await seen('crowded', 10);
  for (let host = 3; host <= 6; host++) attackers.add('silent', 1000, host);
  for (const [name, count] of [['half a handshake', 100], ['garbage', 20], ['flood', 10],
    ['dribbled head', 100], ['dribbled body', 100], ['endless head', 4], ['answers unread', 4],
    ['wrong upgrades', 10]])
    attackers.add(name, count, 7);
  await seen('gave_way', 500);
  return attackers;
}

/** The calls went as in peace, by their callers, the server's count and the provider's. */
async function place(lab, server) {
  const reports = await lab.dial(server, ['--calls', String(calls), '--spread', '50', ...TALK]);
  assert.equal(reports.length, calls);
  for (const r of reports) {
    assert.ok(r.ok, JSON.stringify(r));
    assert.equal(r.marks_echoed, r.marks_received, JSON.stringify(r));
    assert.equal(r.bad_messages + r.breaks.length, 0, JSON.stringify(r));
  }
  const seen = await metrics(lab, server);
  for (const lost of ['audio_dropped_ms_total', 'channel_sequence_gaps_total', 'channel_audio_dropped_total',
    'channel_late_answers_total', 'http_connections_full_total'])
    assert.equal(seen[lost], 0, lost);
  const late = reports.flatMap((r) => r.turns.map((t) => t.latency_ms)).sort((a, b) => a - b);
  const heard = reports.map((r) => r.heard_ms);
  return {
    median: late[late.length >> 1], slowest: late.at(-1),
    heard: [Math.min(...heard), Math.max(...heard)],
    lateTicks: reports.reduce((n, r) => n + r.late_ticks, 0),
    worstTick: Math.max(...reports.map((r) => r.max_late_ms)),
    gaveWay: seen.http_connections_gave_way_total, crowded: seen.http_connections_crowded_total,
  };
}

function tell(name, f) {
  console.log(`${name}: ${calls} calls, answers ${f.median} ms median, ${f.slowest} ms slowest, ` +
    `heard ${f.heard.join('-')} ms, ${f.lateTicks} frames of the callers late (${f.worstTick} ms)`);
}

async function round(lab, name, peace = null, options = {}) {
  const provider = await lab.provider();
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--demo-dir', lab.terse()], options);
  if (!peace) {
    peace = await place(lab, server);
    tell('in peace', peace);
  }
  const before = held(server);
  const attackers = await attack(server, lab);
  const got = await place(lab, server);
  const during = held(server);
  const told = attackers.stop();
  tell(name, got);
  console.log(`  ${Object.entries(told).map(([k, v]) => `${k} ${v.opened}`).join(', ')}; ` +
    `${got.gaveWay} gave way, ${got.crowded} refused`);
  for (const [kind, { opened }] of Object.entries(told)) assert.ok(opened > 0, kind);
  assert.ok(got.median <= peace.median + LATER_MS_MAX, `answers: ${peace.median}, then ${got.median}`);
  assert.ok(got.slowest <= peace.slowest + SLOWEST_MS_MAX, `slowest: ${peace.slowest}, then ${got.slowest}`);
  assert.ok(got.heard[0] >= peace.heard[0] - 40, `heard: ${peace.heard}, then ${got.heard}`);
  const after = await until('descriptors to come back', () => {
    const now = held(server);
    return now.fds <= before.fds + SOCKETS_LEFT_MAX && now;
  });
  console.log(`  descriptors ${before.fds}, ${during.fds}, ${after.fds}; ` +
    `memory ${before.rss >> 10}, ${during.rss >> 10}, ${after.rss >> 10} MB`);
  assert.ok(after.rss <= before.rss + KEPT_KB_MAX, `memory: ${before.rss}, then ${after.rss} KB`);
  await lab.finish(server);
  const { violations } = await provider.figures();
  assert.deepEqual(violations, []);
  return peace;
}

await main(async (lab) => {
  const peace = await round(lab, 'attacked');
  await round(lab, 'attacked, TLS', peace, { tls: lab.certificate() });
});

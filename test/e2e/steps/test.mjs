// A whole call again and again, each time with one step of the server failing once: src/base/fault.h.
// The server must not crash, hang or leak; the call must end in order; the caller must have heard
// something, or have been told by the carrier. Needs a build with FAULTS.
// CALLEE_E2E_EACH=N: of each step the first N times (1), then ever rarer ones; 0 = only the first.
// CALLEE_E2E_ONLY=words: steps whose names contain them.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';

process.env.CALLEE_BIN = process.env.CALLEE_BUILT ?? 'build/dev/callee';
const { NUMBER, TOKEN, freePort, main, pooled, until } = await import('../lib/lab.mjs');

const EACH = Number(process.env.CALLEE_E2E_EACH ?? 0);
const ONLY = process.env.CALLEE_E2E_ONLY ?? '';
const WIDTH = 6;
const CALL_MS = 60000;
const BAD = /ASSERT\(|AddressSanitizer|LeakSanitizer|runtime error:|out of memory/;
// What a caller who got nothing was told: the carrier says it in its own words.
const REFUSED = ['refused', 'error', 'carrier'];

async function play(lab, provider, dir, fault, name) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const data = lab.path(`data-${name}`);
  const steps = lab.path(`steps-${name}`);
  const server = lab.start(['serve', '--listen', `127.0.0.1:${port}`, '--public-url', url, '--data', data,
    '--demo', '--demo-dir', dir, '--engine', 'realtime', '--provider-url', provider.url,
    '--connect-timeout', '2s', '--response-timeout', '3s'],
    { TWILIO_AUTH_TOKEN: TOKEN, CALLEE_FAULT_STEPS: steps, ...(fault ? { CALLEE_FAULT: fault } : {}) });
  const seen = { fault, server, report: null, refused: false };
  await until(`${fault}: the server to listen or end`, () => / listens on /.test(server.err + server.out) || !server.running);
  if (server.running) {
    const dial = lab.start(['dial', '--url', url, '--token', TOKEN, '--to', NUMBER, '--json',
      '--say', 'What are your opening hours?', '--interrupt-after', '700', '--say', 'And what is shipping?']);
    const late = setTimeout(() => dial.kill(), CALL_MS);
    seen.dialCode = await dial.exited;
    clearTimeout(late);
    seen.report = dial.json()[0] ?? null;
    seen.dialSaid = dial.err;
    seen.health = await fetch(`${url}/api/health`).then((r) => r.status, () => 0);
  } else {
    seen.refused = true;
  }
  seen.code = await server.stop();
  seen.log = server.out + server.err;
  seen.fired = /^fault: /m.test(server.err);
  if (existsSync(steps))
    seen.steps = readFileSync(steps, 'utf8').trim().split('\n').filter(Boolean).map((l) => l.split(' '));
  if (!seen.refused) seen.calls = await lab.calls(data).catch(() => null);
  return seen;
}

function judge(seen) {
  assert.ok(!BAD.test(seen.log), `${seen.fault}: ${seen.log.slice(-5000)}`);
  if (seen.refused) {
    assert.ok(seen.code === 1 || seen.code === 2, `${seen.fault}: exit ${seen.code}\n${seen.log}`);
    assert.match(seen.log, /callee: .+/, `${seen.fault}: says why it does not start`);
    return;
  }
  assert.equal(seen.code, 0, `${seen.fault}: the server ends in peace, not with ${seen.code}\n${seen.log.slice(-3000)}`);
  assert.ok(seen.dialCode === 0 || seen.dialCode === 1, `${seen.fault}: dial ended with ${seen.dialCode}`);
  const degraded = /^(copy|journal)\./.test(seen.fault); // for a few seconds, until it is tried again
  assert.ok(seen.health === 200 || (degraded && seen.health === 503), `${seen.fault}: health ${seen.health}`);
  const r = seen.report;
  assert.ok(r && (r.heard_ms > 1000 || REFUSED.includes(r.ended_by) || !r.ok), `${seen.fault}: ${JSON.stringify(r)}`);
  for (const c of seen.calls ?? [])
    if (!/^store\./.test(seen.fault)) assert.ok(c.endedAtMs > 0, `${seen.fault}: call ${c.id} is still open`);
}

function tell(seen) {
  const r = seen.report;
  const caller = seen.refused ? `no server: ${(seen.log.match(/callee: (.*)/) ?? [])[1]}`
    : r ? `${(r.heard_ms / 1000).toFixed(1)} s heard, ended by ${r.ended_by}${r.ok ? '' : ', not completed'}` : 'nothing';
  const log = seen.log.split('\n').map((l) => l.replace(/^\S+Z /, ''))
    .find((l) => /^(warn|error) /.test(l)) ?? '-';
  console.log(`${seen.fault}${seen.fired ? '' : ' (not reached)'}\n    caller: ${caller}\n    log: ${log.slice(0, 120)}`);
}

function* moments(count) {
  for (let n = 1; n <= count; n = n < EACH ? n + 1 : n + 1 + Math.floor(n / 2)) {
    yield n;
    if (EACH === 0) return;
  }
}

await main(async (lab) => {
  const provider = await lab.provider();
  const dir = lab.terse();
  const clean = await play(lab, provider, dir, '', 'clean');
  judge(clean);
  assert.ok(clean.report.ok && clean.steps?.length, `undisturbed it works: ${JSON.stringify(clean.report)}`);
  const all = [];
  for (const [name, count] of clean.steps)
    if (name.includes(ONLY)) for (const n of moments(Number(count))) all.push(`${name}:${n}`);
  const wrong = [];
  await pooled(all, WIDTH, async (fault, i) => {
    try {
      const seen = await play(lab, provider, dir, fault, String(i));
      tell(seen);
      judge(seen);
    } catch (error) {
      wrong.push(fault);
      console.error(`-- ${fault}\n`, String(error.message).slice(0, 5000));
    }
  });
  assert.deepEqual(wrong, [], 'steps whose failure was not survived');
  console.log(`${all.length} runs, ${clean.steps.length} kinds of steps`);
});

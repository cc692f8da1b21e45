// What becomes of a call when its engine fails: each row is a server with a provider that has one
// fault, and a caller who asks something, or two things.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { pooled } from '../lib/lab.mjs';

const ASK = ['--say', 'What are your opening hours?'];
const QUICK = ['--connect-timeout', '2s', '--response-timeout', '2s'];
const NOBODY = 'ws://127.0.0.1:9/v1/realtime'; // where nobody listens
// What the provider hears and says; the words heard go on to whoever takes over.
const SCRIPT = [
  { user: 'What are your opening hours?', say: 'We are open from nine to six, Monday to Saturday.' },
  { user: 'What are your opening hours?', say: 'Shipping is free for orders over one hundred dollars.' },
];
const APOLOGY = /I had a short technical problem/;
const WIDTH = 5;

const second = (fault, ...more) => ['--fault', fault, '--fault-after', '1', ...more];
const scripted = /nine to six/;
const offline = /nine in the morning/;

// provider: flags of `callee provider`, or an address; server: flags of `callee serve`; hears: all of
// it must be among what the agent said; not: none of it; engine: who spoke last; wait: the longest
// time to an answer, ms; ends: the reason in the store.
const rows = [
  { name: 'nobody listens', provider: NOBODY, hears: [offline], engine: 'local',
    log: /engine\.failed .*try=2 why=closed: provider not reached/ },
  { name: 'refused with 401', provider: ['--fault', 'refuse'], hears: [offline], engine: 'local',
    log: /engine\.failed .*provider refused: HTTP 401/ },
  { name: 'mute from the start', provider: ['--fault', 'mute'], hears: [APOLOGY, offline],
    engine: 'local', log: /engine\.failed .*not ready in time/ },
  { name: 'stalls', provider: second('stall'), hears: [scripted], wait: 4000,
    log: /engine\.failed .*stalled/ },
  { name: 'stalls in mid-word', provider: second('stall-audio'), steps: [...ASK, '--settle', '4000'],
    hears: [/^We are open$/, scripted], log: /engine\.failed .*stalled/ },
  { name: 'closes in mid-word', provider: second('close=1011', '--fault-sessions', '1'),
    hears: [/^We are open$/, scripted], not: [APOLOGY], log: /engine\.failed .*closed 1011/ },
  { name: 'closes, again and again', provider: ['--fault', 'close=1011'], hears: [APOLOGY, offline],
    engine: 'local', log: /engine\.failed .*closed 1011/ },
  { name: 'breaks in mid-word', provider: second('abort', '--fault-sessions', '1'),
    hears: [/^We are open$/, scripted], not: [APOLOGY], log: /engine\.failed .*connection lost/ },
  { name: 'error event', provider: second('error'), hears: [scripted], not: [APOLOGY],
    log: /engine\.error code=internal_error/ },
  { name: 'response failed', provider: second('fail'), hears: [/Shipping is free/],
    log: /engine\.response_failed code=server_error/ },
  { name: 'rate limit', provider: second('rate-limit'), hears: [/Shipping is free/],
    log: /engine\.response_failed code=rate_limit_exceeded/ },
  { name: 'garbage', provider: second('garbage'), hears: [scripted], not: [APOLOGY],
    log: /engine\.bad_event ignored/ },
  { name: 'binary message', provider: second('binary'), hears: [scripted], not: [APOLOGY],
    log: /realtime\.binary_ignored/ },
  { name: 'message of 17 MiB', provider: second('huge', '--fault-sessions', '1'), hears: [scripted],
    log: /engine\.failed .*closed 1009 message too large/ },
  { name: 'session expired', provider: second('expire', '--fault-sessions', '1'), hears: [scripted],
    not: [APOLOGY], log: /engine\.failed .*session expired/ },
  { name: 'late deltas', provider: ['--fault', 'late'], hears: [scripted, /Shipping is free/],
    steps: [...ASK, '--interrupt-after', '800', '--say', 'Wait, stop, how much is shipping?'],
    log: /call\.cut/, check: ({ report, figures }) => {
      assert.equal(report.interruptions[0].honoured, true);
      assert.ok(report.interruptions[0].silence_after_ms <= 400, 'nothing late is heard');
      assert.equal(figures.truncationCount, 1);
    } },
  { name: 'slow to connect', provider: ['--fault', 'slow=3000'], server: ['--connect-timeout', '5s'],
    steps: ['--interrupt-after', '100', ...ASK], hears: [scripted], not: [APOLOGY],
    log: /engine\.ready .*engine=realtime/, check: ({ report, figures }) => {
      assert.equal(figures.turns, 1, 'the words spoken before the engine was there');
      const lost = report.frames_sent * 20 - figures.appendMs;
      assert.ok(lost <= 100, `${lost} ms of the caller never reached the engine`);
    } },
  { name: 'none left, a person', provider: NOBODY, server: ['--max-local-calls', '0'], any: true,
    hears: [/technical problem. I am connecting you to a person/], ends: /no engine|transfer/, log: /call\.no_engine_left/,
    check: ({ report }) => {
      assert.equal(report.ended_by, 'transfer');
      assert.equal(report.transferred_to, '+15055550199');
    } },
  { name: 'none left', provider: NOBODY, server: ['--max-local-calls', '0'], any: true,
    config: { transfer_number: null }, hears: [/technical problem. Please call again later/],
    ends: /no engine/, log: /call\.no_engine_left/,
    check: ({ report }) => assert.equal(report.ended_by, 'agent') },
];

async function play(lab, row) {
  const provider = Array.isArray(row.provider) ? await lab.provider([...row.provider,
    '--script', lab.path('script.jsonl')]) : null;
  const server = await lab.serve(['--engine', 'realtime', '--provider-url',
    provider?.url ?? row.provider, ...QUICK, ...(row.server ?? []),
    '--demo-dir', lab.terse(row.config)]);
  const [report] = await lab.dial(server, row.steps ?? ASK);
  const call = await lab.callOf(server, report.call_sid);
  await lab.finish(server);
  const log = server.log.replace(/ call=\S+/g, '');
  return { report, call, log, figures: provider ? await provider.figures() : null };
}

function check(row, seen) {
  const { report, call, log, figures } = seen;
  const told = JSON.stringify({ report, turns: call.turns, figures }, null, 1);
  const said = call.turns.filter((t) => t.role === 'assistant').map((t) => t.text);
  if (!row.any) assert.equal(report.ok, true, told);
  assert.ok(report.heard_ms > 2000, told);
  assert.equal(report.bad_messages, 0, told);
  for (const words of row.hears) assert.ok(said.some((s) => words.test(s)), `${words}\n${told}`);
  for (const words of row.not ?? []) assert.ok(!said.some((s) => words.test(s)), `${words}\n${told}`);
  if (!row.any) assert.equal(call.engine, row.engine ?? 'realtime', told);
  if (row.ends) assert.match(call.endReason, row.ends);
  for (const t of report.turns)
    if (!row.any) assert.ok(t.latency_ms <= (row.wait ?? 9000), told);
  assert.match(log, row.log);
  if (figures) assert.equal(figures.violationCount, 0, told);
  row.check?.(seen);
}

/** One line each: what the caller had of it, and what the log says. */
function tell(row, { report, call, log }) {
  const said = call.turns.filter((t) => t.role === 'assistant').slice(1)
    .map((t) => (t.text.length > 40 ? `${t.text.slice(0, 38)}..` : t.text));
  const line = log.split('\n').find((l) => row.log.test(l)) ?? '';
  return `${row.name}\n    caller: ${(report.heard_ms / 1000).toFixed(1)} s heard, ended by ` +
    `${report.ended_by}, answers after ${report.turns.map((t) => t.latency_ms).filter((t) => t > 0)
      .join(' and ') || '-'} ms: ${said.join(' | ')}\n    log: ` +
    line.replace(/^\S+ /, '').slice(0, 110);
}

export async function engineFaults(lab, only) {
  const wrong = [];
  writeFileSync(lab.path('script.jsonl'), SCRIPT.map((s) => JSON.stringify(s)).join('\n'));
  const chosen = rows.filter((r) => r.name.includes(only));
  await pooled(chosen, WIDTH, async (row) => {
    const seen = await play(lab, row);
    console.log(tell(row, seen));
    try {
      check(row, seen);
    } catch (error) {
      wrong.push(row.name);
      console.error(`-- ${row.name}\n`, error.message.slice(0, 4000), `\n${seen.log}`);
    }
  });
  assert.deepEqual(wrong, [], 'rows that are not as they should be');
  return chosen.length;
}

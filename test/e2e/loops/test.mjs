// Four loops on one port: wherever the kernel puts a connection, its stream and its question what
// to do next reach the loop of the call, in plain and in TLS. Nobody is refused.
// CALLEE_E2E_CALLS=N places N calls each way (16).
import assert from 'node:assert/strict';
import { main } from '../lib/lab.mjs';

const LOOPS = 4;
const calls = Number(process.env.CALLEE_E2E_CALLS ?? 16);
const TALK = ['--say', 'Hello, what are your opening hours today?',
  '--say', 'Thank you very much, that is all I wanted to know.'];

async function round(lab, name, { args = [], tls } = {}) {
  const provider = await lab.provider();
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--demo-dir', lab.terse(), '--loops', String(LOOPS), ...args], { tls });
  const reports = await lab.dial(server, ['--calls', String(calls), '--spread', '100', ...TALK]);
  assert.equal(reports.length, calls);
  for (const r of reports) assert.ok(r.ok, JSON.stringify(r));
  const seen = await lab.metrics(server);
  assert.equal(seen.calls_total, calls);
  assert.equal(seen.calls_live, 0);
  assert.equal(seen.http_connections_not_moved_total, 0);
  // Three of four connections come in elsewhere; one of many calls' streams must be among them.
  assert.ok(seen.http_connections_moved_total > calls / 4, `moved ${seen.http_connections_moved_total}`);
  assert.doesNotMatch(server.log, /stream_refused|no_stream/);
  const { journals } = await lab.finish(server);
  assert.equal(journals, calls);
  const told = await provider.figures();
  assert.equal(told.violationCount, 0, JSON.stringify(told.violations));
  console.log(`${name}: ${calls} calls on ${LOOPS} loops, ${seen.http_connections_moved_total} ` +
    `connections taken to their loop, 0 refused, ${journals} journals replay`);
}

await main(async (lab) => {
  await round(lab, 'plain');
  await round(lab, 'TLS', { tls: lab.certificate() });
});

// A second server takes the place of the first on the same port and data while calls ring and talk:
// none is dropped, none feels it; the first ends by itself when its calls are over. Plain and TLS.
// Then SIGTERM without a successor: running calls end as they would have, new ones hear the busy
// words. CALLEE_E2E_CALLS=N calls each way (24).
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { NUMBER, TOKEN, main, until } from '../lib/lab.mjs';

const { WebSocket } = await import('ws').catch(() => ({})); // left out without npm's packages

const calls = Number(process.env.CALLEE_E2E_CALLS ?? 24);
const spread = 150; // ms between two callers
const TALK = ['--say', 'Hello, what are your opening hours today?', '--interrupt-after', '1500',
  '--say', 'Wait, I have another question. How much is shipping?',
  '--say', 'Thank you very much, that is all I wanted to know.'];

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const waits = (reports) => reports.flatMap((r) => r.turns.map((t) => t.latency_ms))
  .filter((ms) => ms >= 0);

function sign(url, params = {}) {
  const text = Object.keys(params).sort().reduce((all, k) => all + k + params[k], url);
  return createHmac('sha1', TOKEN).update(text).digest('base64');
}

/** A signed webhook as Twilio sends it; the body of the answer. */
async function post(server, url, params) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': sign(url, params) };
  const body = new URLSearchParams(params).toString();
  if (!server.tls) return (await fetch(url, { method: 'POST', headers, body })).text();
  return new Promise((done, failed) => {
    const ca = readFileSync(server.tls.cert);
    const asked = request(url, { method: 'POST', headers, ca, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (d) => (text += d));
      answer.on('end', () => done(text));
    });
    asked.on('error', failed).end(body);
  });
}

/** Rings at a server and gives what its answer names. */
async function ring(server) {
  const CallSid = `CA${randomBytes(16).toString('hex')}`;
  const xml = await post(server, `${server.url}/api/twilio/voice`,
    { CallSid, From: '+15055550142', To: NUMBER, Direction: 'inbound', CallStatus: 'ringing' });
  const found = (pattern) => xml.match(pattern)[1].replaceAll('&amp;', '&');
  return { CallSid, url: found(/<Stream url="([^"]+)"/), token: found(/name="token" value="([^"]+)"/),
    action: found(/action="([^"#]+)/) };
}

/** Opens the stream of a call, hears the agent, asks the action, and hangs up. */
async function takeStream(lab, server, call) {
  const ca = server.tls ? readFileSync(server.tls.cert) : undefined;
  const ws = new WebSocket(call.url, { ca, headers: { 'x-twilio-signature': sign(call.url) } });
  const streamSid = `MZ${randomBytes(16).toString('hex')}`;
  let heard = 0;
  let broken = null;
  ws.on('message', (m) => (heard += JSON.parse(m).event === 'media' ? 1 : 0));
  ws.on('error', (e) => (broken = e));
  await until('the stream', () => ws.readyState === WebSocket.OPEN || broken);
  if (broken) throw broken;
  ws.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
  ws.send(JSON.stringify({ event: 'start', sequenceNumber: '1', streamSid, start: {
    streamSid, callSid: call.CallSid, accountSid: 'AC1', tracks: ['inbound'],
    mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
    customParameters: { token: call.token } } }));
  await until('the agent is heard', () => heard > 0);
  const relayed = (await lab.metrics(server)).http_connections_relayed;
  const told = await post(server, call.action, { CallSid: call.CallSid, CallStatus: 'in-progress' });
  assert.match(told, /<Response>/, told);
  ws.send(JSON.stringify({ event: 'stop', sequenceNumber: '2', streamSid,
    stop: { accountSid: 'AC1', callSid: call.CallSid } }));
  await until('the stream is closed', () => ws.readyState === WebSocket.CLOSED);
  return relayed;
}

async function provided(lab) {
  const provider = await lab.provider();
  return { provider, args: ['--engine', 'realtime', '--provider-url', provider.url, '--demo-dir',
    lab.terse(), '--max-calls', '1000'] };
}

async function upgrade(lab, name, tls) {
  const { provider, args } = await provided(lab);
  const first = await lab.serve([...args, '--loops', '2'], { tls });
  const refused = await lab.start([...first.args.slice(0, -2), '--listen', '127.0.0.1:0']);
  assert.equal(await refused.exited, 1, 'a second server says what to do');
  assert.match(refused.err, /--takeover/);

  const dialer = lab.start(lab.dialArgs(first, ['--calls', String(calls), '--spread', String(spread),
    ...TALK]));
  // Half of them are in their streams or ring; the other half has not called yet.
  await until('half of the calls', () => (first.log.match(/call\.begins/g) ?? []).length >= calls / 2);
  const ringing = WebSocket ? await ring(first) : null;
  const switchedAt = Date.now();
  const second = await lab.serve([...args, '--loops', '2', '--takeover'],
    { tls, data: first.data, port: first.port });
  const tookMs = Date.now() - switchedAt;
  if (ringing) {
    const relayed = await takeStream(lab, second, ringing);
    assert.ok(tls ? relayed >= 1 : relayed === 0, `${relayed} relayed`);
    const { http_connections_passed_total: passed } = await lab.metrics(second);
    assert.ok(passed >= 2, `its stream and its question: ${passed}`);
  }
  await dialer.exited;
  assert.equal(await first.exited, 0, `the first ends in peace:\n${first.log}`);
  const reports = dialer.json();
  assert.equal(reports.length, calls);
  for (const r of reports) assert.ok(r.ok, `${JSON.stringify(r)}`);

  const begun = (server) => (server.log.match(/call\.begins/g) ?? []).length;
  const all = calls + (ringing ? 1 : 0);
  assert.equal(begun(first) + begun(second), all);
  assert.ok(begun(second) > 0, 'the second has new calls');
  const seen = await lab.metrics(second);
  const { calls: rows, journals } = await lab.finish(second);
  assert.equal(rows.length, all);
  assert.equal(journals, all);
  for (const row of rows) assert.equal(row.status, 'completed', JSON.stringify(row));
  const told = await provider.figures();
  assert.equal(told.violationCount, 0, JSON.stringify(told.violations));
  const list = waits(reports);
  console.log(`${name}: ${calls} calls, ${begun(first)} begun before the switch and ${begun(second)} ` +
    `after, 0 lost; the second listened after ${tookMs} ms; ${seen.http_connections_passed_total} ` +
    `connections given to the first; answers after ${median(list)} ms, at most ${Math.max(...list)}`);
}

async function drain(lab) {
  const { args } = await provided(lab);
  const server = await lab.serve(args);
  const dialer = lab.start(lab.dialArgs(server, ['--calls', '4', '--spread', '500', ...TALK]));
  await until('four calls', () => server.log.match(/engine\.ready/g)?.length === 4);
  server.child.kill('SIGTERM');
  await server.line(/server\.draining/);
  const health = await lab.get(server, '/api/health');
  assert.equal(health.status, 503);
  assert.equal(JSON.parse(health.body).status, 'draining');
  const [late] = await lab.dial(server, ['--say', 'Hello?']);
  assert.match(late.carrier_says.join(' '), /lines are busy/);
  await dialer.exited;
  for (const r of dialer.json()) assert.ok(r.ok, JSON.stringify(r));
  assert.equal(await server.exited, 0);
  const rows = await lab.calls(server.data);
  assert.equal(rows.filter((r) => r.status === 'completed').length, 4);
  console.log('SIGTERM: four calls went on to their end, a fifth was told that the lines are busy');
}

async function limit(lab) {
  const { args } = await provided(lab);
  const server = await lab.serve([...args, '--drain-limit', '1s']);
  const dialer = lab.start(lab.dialArgs(server, ['--say', 'What time do you open?', '--pause', '60000']));
  await server.line(/engine\.ready/);
  server.child.kill('SIGTERM');
  await dialer.exited;
  assert.equal(await server.exited, 0);
  const [report] = dialer.json();
  const [row] = await lab.calls(server.data);
  assert.equal(report.ended_by, 'agent', JSON.stringify(report));
  assert.equal(row.endReason, 'shutdown');
  console.log(`the limit: the last call was told goodbye (${report.heard_ms} ms were heard)`);
}

/** What a process leaves, at its limit or killed while it drains, goes on in its successor. */
async function left(lab, killed, tls) {
  const { provider, args } = await provided(lab);
  const first = await lab.serve([...args, '--drain-limit', killed ? '1m' : '2s'], { tls });
  const dialer = lab.start(lab.dialArgs(first, ['--calls', '4', '--spread', '200', ...TALK]));
  await until('four calls', () => first.log.match(/engine\.ready/g)?.length === 4);
  const second = await lab.serve([...args, '--takeover'], { tls, data: first.data, port: first.port });
  if (killed) await first.kill();
  else assert.equal(await first.exited, 0);
  if (!killed) assert.match(first.log, /server\.left/);
  await dialer.exited;
  for (const r of dialer.json()) {
    assert.equal(r.trouble, null, `${JSON.stringify(r)}\n${first.log.slice(-1500)}\n${second.log}`);
    assert.equal(r.resumed, 1, JSON.stringify(r));
  }
  const { calls: rows, journals } = await lab.finish(second);
  assert.equal(rows.length, 4);
  assert.equal(journals, 4);
  for (const row of rows) assert.equal(row.status, 'completed', JSON.stringify(row));
  assert.equal((await provider.figures()).violationCount, 0);
  const silences = dialer.json().flatMap((r) => r.breaks.map((b) => b.silence_ms));
  console.log(`${killed ? 'killed while it drained' : 'the limit with a successor'}` +
    `${tls ? ', TLS' : ''}: four calls went on there; silence at most ${Math.max(...silences)} ms`);
}

/** The subject that a server shows now. */
async function subject(server) {
  const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

async function renewal(lab) {
  const { args } = await provided(lab);
  const tls = lab.certificate('old');
  const server = await lab.serve(args, { tls });
  const dialer = lab.start(lab.dialArgs(server, TALK));
  await server.line(/engine\.ready/);
  assert.equal(await subject(server), 'old');
  const next = lab.certificate('new');
  copyFileSync(next.cert, tls.cert);
  server.child.kill('SIGHUP'); // the key does not fit yet
  await server.line(/tls\.not_reloaded/);
  assert.equal(await subject(server), 'old');
  copyFileSync(next.key, tls.key); // noticed by itself
  await server.line(/tls\.reloaded/);
  assert.equal(await subject(server), 'new');
  await dialer.exited;
  for (const r of dialer.json()) assert.ok(r.ok, JSON.stringify(r));
  await lab.finish(server);
  console.log('a new certificate: taken without a restart, a call went on');
}

await main(async (lab) => {
  await renewal(lab);
  await drain(lab);
  await limit(lab);
  await left(lab, false);
  await left(lab, true);
  await left(lab, false, lab.certificate());
  await upgrade(lab, 'plain');
  await upgrade(lab, 'TLS', lab.certificate());
});

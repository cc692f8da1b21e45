// The running server against the `twilio` package: signatures both ways, TwiML, streams.
// Usage: CALLEE_BIN=build/dev/callee node server.mjs
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { DEMO_NUMBER, PUBLIC, TOKEN, form, freePort, meaning, start, stopAll } from './lib.mjs';

const SKIP = 77;
const twilio = await import('twilio').then((m) => m.default, (e) => {
  console.log(`skipped: the twilio package does not load here: ${e.message}`);
  process.exit(SKIP);
});
const { VoiceResponse } = twilio.twiml;
const program = process.env.CALLEE_BIN ?? 'build/dev/callee';
const data = mkdtempSync(join(tmpdir(), 'callee_e2e.'));
let checks = 0;
let base;
let wsBase;
let calls = 0;

function equal(got, want, what) {
  assert.deepEqual(got, want, what);
  checks++;
}

const sign = (path, params = {}) => twilio.getExpectedTwilioSignature(TOKEN, PUBLIC + path, params);

async function post(path, params, signature = sign(path, params)) {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  if (signature !== null) headers['X-Twilio-Signature'] = signature;
  const response = await fetch(base + path, { method: 'POST', headers, body: form(params) });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

function ring(more = {}) {
  const CallSid = `CA${String(++calls).padStart(32, '0')}`;
  return {
    AccountSid: 'AC' + '0'.repeat(32), ApiVersion: '2010-04-01', CallSid, CallStatus: 'ringing',
    Called: DEMO_NUMBER, Caller: '+14155550100', Direction: 'inbound', From: '+14155550100',
    To: DEMO_NUMBER, CallerName: 'Zoë Müller', CallerCity: 'København', CallerZip: '', ...more,
  };
}

// -- webhooks --

async function webhooks() {
  const params = ring();
  const answer = await post('/api/twilio/voice', params);
  equal(answer.status, 200, answer.text);
  assert.match(answer.type, /^(text|application)\/xml/);
  const token = /name="token" value="([^"]+)"/.exec(answer.text)?.[1];
  assert.ok(token, answer.text);
  const owner = token.slice(0, token.lastIndexOf('-')); // where the call lives: in every address
  assert.match(owner, /^[0-9a-f]{8}\.0$/);
  const retries = '#rc=5&rp=all&ct=1000&rt=10000&tt=15000'; // Twilio's connection overrides
  const want = new VoiceResponse();
  want.connect({ action: `${PUBLIC}/api/twilio/resume/${owner}${retries}` })
    .stream({ url: `wss://voice.example.com/api/twilio/stream/${owner}` })
    .parameter({ name: 'token', value: token });
  equal(meaning(answer.text), meaning(want.toString()), 'Connect as the package writes it');

  const unknown = await post('/api/twilio/voice', ring({ To: '+15055550999', Called: '+15055550999' }));
  const sorry = new VoiceResponse();
  sorry.say('This number is not in service.');
  sorry.hangup();
  equal(unknown.status, 200);
  equal(meaning(unknown.text), meaning(sorry.toString()), 'an unknown number');

  const { To, ...incomplete } = ring();
  const failed = await post('/api/twilio/voice', incomplete);
  const apology = new VoiceResponse();
  apology.say('An error occurred.');
  apology.hangup();
  equal(failed.status, 200);
  equal(meaning(failed.text), meaning(apology.toString()), 'an error');

  const query = '?' + form(ring({ To: '+15055550999' }));
  const path = '/api/twilio/voice' + query;
  const got = await fetch(base + path, { headers: { 'X-Twilio-Signature': sign(path) } });
  equal(got.status, 200, 'GET');
  equal(meaning(await got.text()), meaning(sorry.toString()), 'GET');

  const status = { ...ring(), CallStatus: 'completed', CallDuration: '3' };
  equal((await post('/api/twilio/status', status)).status, 204);
  const resumed = await post('/api/twilio/resume', ring());
  equal(resumed.status, 200);
  equal(meaning(resumed.text)[0][3].at(-1)[0], 'Hangup', 'a call we do not know ends');
}

/** Whatever the package thinks of a request, the server must think too. */
async function verdicts() {
  const path = '/api/twilio/status';
  const good = { CallSid: 'CA1', CallStatus: 'ringing' };
  const variants = [
    good,
    { ...good, CallerName: 'Zoë Müller', SpeechResult: 'přes 日本語 😀' },
    { ...good, Digits: '', CallerZip: '' },
    { ...good, MediaUrl: ['https://b.example/2', 'https://a.example/1', 'https://b.example/2'] },
    { ...good, b: '2', A: '1', a: '3', B: '4', _: '5', To: '6', ToCity: '7' },
    { ...good, SpeechResult: 'a+b c&d=e%20f' },
  ];
  for (const [i, params] of variants.entries()) {
    const right = sign(path, params);
    const signatures = [right, right.slice(0, -2) + 'A=', right.toLowerCase(), '', null,
      sign(path + '/', params), sign(path, { ...params, x: 'y' }),
      twilio.getExpectedTwilioSignature('f'.repeat(32), PUBLIC + path, params),
      twilio.getExpectedTwilioSignature(TOKEN, 'https://voice.example.com:443' + path, params),
      twilio.getExpectedTwilioSignature(TOKEN, 'http://voice.example.com' + path, params)];
    for (const [k, signature] of signatures.entries()) {
      const theirs = twilio.validateRequest(TOKEN, signature ?? '', PUBLIC + path, params);
      const ours = (await post(path, params, signature)).status;
      equal(ours, theirs ? 204 : 403, `variant ${i}, signature ${k}`);
    }
  }
}

// -- streams --

const WS_PATH = '/api/twilio/stream';
const WS_URL = 'wss://voice.example.com' + WS_PATH;
const wsSign = (url) => twilio.getExpectedTwilioSignature(TOKEN, url, {});

async function upgrade(signature, url = wsBase + WS_PATH) {
  const headers = signature === null ? {} : { 'X-Twilio-Signature': signature };
  const ws = new WebSocket(url, { headers });
  return new Promise((resolve, reject) => {
    ws.on('open', () => resolve({ ws, status: 101 }));
    ws.on('unexpected-response', (_, response) => {
      resolve({ status: response.statusCode });
      response.destroy();
    });
    ws.on('error', reject);
  });
}

async function upgrades() {
  for (const [signature, want] of [
    [wsSign(WS_URL), 101],
    [wsSign(WS_URL + '/'), 101],
    [wsSign(PUBLIC + WS_PATH), 403],
    [wsSign('wss://127.0.0.1' + WS_PATH), 403],
    ['', 403],
    [null, 403],
  ]) {
    const { ws, status } = await upgrade(signature);
    equal(status, want, String(signature));
    if (ws) {
      ws.terminate();
      await once(ws, 'close');
    }
  }
}

/** A call as Twilio makes it, up to `start`. Everything received is in `heard`. */
async function dial(changes = {}) {
  const params = ring();
  const answer = await post('/api/twilio/voice', params);
  const token = changes.token ?? /name="token" value="([^"]+)"/.exec(answer.text)[1];
  const { ws } = await upgrade(wsSign(WS_URL));
  const streamSid = 'MZ' + String(calls).padStart(32, '0');
  const call = { ws, token, streamSid, callSid: changes.callSid ?? params.CallSid, heard: [], sequence: 0 };
  call.send = (event, body) => ws.send(JSON.stringify(
    { event, sequenceNumber: String(++call.sequence), streamSid, ...body }));
  call.closed = once(ws, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
  ws.on('message', (text, binary) => {
    assert.equal(binary, false);
    call.heard.push(JSON.parse(text));
  });
  ws.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
  call.send('start', { start: {
    accountSid: params.AccountSid, streamSid, callSid: call.callSid, tracks: ['inbound'],
    mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
    customParameters: { token } } });
  return call;
}

const silence = Buffer.alloc(160, 0xff).toString('base64');

/** Twenty milliseconds of silence at a time, until `done` or the other side closes. */
function talk(call, done) {
  return new Promise((resolve, reject) => {
    let chunk = 0;
    const late = Date.now() + 30000;
    const timer = setInterval(() => {
      if (done() || call.ws.readyState !== WebSocket.OPEN || Date.now() > late) {
        clearInterval(timer);
        return Date.now() > late ? reject(new Error('nothing came')) : resolve();
      }
      chunk++;
      call.send('media', { media: { track: 'inbound', chunk: String(chunk),
        timestamp: String(chunk * 20), payload: silence } });
    }, 20);
  });
}

async function wholeCall() {
  const call = await dial();
  let played = 0;
  const echo = () => {
    for (; played < call.heard.length; played++)
      if (call.heard[played].event === 'mark') call.send('mark', { mark: call.heard[played].mark });
    return call.heard.filter((m) => m.event === 'media').length >= 10 &&
      call.heard.some((m) => m.event === 'mark');
  };
  await talk(call, echo);
  for (const m of call.heard) {
    assert.equal(m.streamSid, call.streamSid, "Twilio's own streamSid");
    if (m.event === 'media') {
      assert.deepEqual(Object.keys(m).sort(), ['event', 'media', 'streamSid']);
      assert.equal(Buffer.from(m.media.payload, 'base64').length % 160, 0, 'whole frames');
    } else if (m.event === 'mark') {
      assert.deepEqual(Object.keys(m).sort(), ['event', 'mark', 'streamSid']);
      assert.ok(m.mark.name);
    } else {
      assert.deepEqual(m, { event: 'clear', streamSid: call.streamSid });
    }
    checks++;
  }
  call.send('dtmf', { dtmf: { track: 'inbound_track', digit: '5' } });
  call.send('stop', { stop: { accountSid: 'AC' + '0'.repeat(32), callSid: call.callSid } });
  equal((await call.closed).code, 1000, 'after stop');
  return call;
}

async function refusals() {
  const used = await wholeCall();
  equal((await (await dial({ token: used.token, callSid: used.callSid })).closed).code, 1008, 'used twice');
  equal((await (await dial({ callSid: 'CA' + 'f'.repeat(32) })).closed).code, 1008, 'of another call');
  equal((await (await dial({ token: 'x' })).closed).code, 1008, 'invented');

  const garbled = await dial();
  for (let i = 0; i < 10; i++) garbled.ws.send(i % 2 ? '{"event":' : Buffer.from([1, 2, 3]));
  equal((await garbled.closed).code, 1007, 'ten bad messages');

  const huge = await dial();
  huge.ws.send('x'.repeat(70000));
  equal((await huge.closed).code, 1009, 'too large a message');
}

/** With checks off a stream that comes without a webhook belongs to the demo business. */
async function insecure(providerUrl) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'callee_e2e.'));
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', folder, '--demo', '--insecure-streams'];
  const server = start(program, args, { CALLEE_PROVIDER_URL: providerUrl });
  await server.line(/listens on/);
  const answer = await fetch(`http://127.0.0.1:${port}/api/twilio/voice`, { method: 'POST', body: form(ring()) });
  const url = `ws://127.0.0.1:${port}${WS_PATH}`;
  const told = meaning(await answer.text())[0][3][0][3][0][1].url;
  equal(told.replace(/\/[0-9a-f]{8}\.0$/, ''), url, 'the address it was asked at');

  const { ws } = await upgrade(null, url);
  const heard = [];
  ws.on('message', (text) => heard.push(JSON.parse(text)));
  const closed = once(ws, 'close');
  ws.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
  ws.send(JSON.stringify({ event: 'start', sequenceNumber: '1', streamSid: 'MZ1',
    start: { accountSid: 'AC1', streamSid: 'MZ1', callSid: 'CA1', tracks: ['inbound'],
      mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 }, customParameters: {} } }));
  await once(ws, 'message');
  equal(heard[0].streamSid, 'MZ1');
  ws.send(JSON.stringify({ event: 'stop', sequenceNumber: '2', streamSid: 'MZ1',
    stop: { accountSid: 'AC1', callSid: 'CA1' } }));
  equal((await closed)[0], 1000, 'after stop');
  equal((await fetch(`http://127.0.0.1:${port}/api/health`)).status, 200, 'still there');
  equal(await server.stop(), 0, 'the server ends cleanly');
  rmSync(folder, { recursive: true, force: true });

  const refused = start(program, [...args, '--public-url', PUBLIC]);
  equal(await refused.exited, 2, 'checks cannot be off for a public address');
}

async function main() {
  const provider = start(program, ['provider', '--listen', '127.0.0.1:0', '--voice', 'tone']);
  const url = (await provider.line(/listening on (ws:\S+)/))[1];
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  wsBase = `ws://127.0.0.1:${port}`;
  const server = start(program, ['serve', '--listen', `127.0.0.1:${port}`, '--data', data, '--demo'],
    { TWILIO_AUTH_TOKEN: TOKEN, CALLEE_PUBLIC_URL: PUBLIC, CALLEE_PROVIDER_URL: url });
  await server.line(/listens on/);
  const parts = [webhooks, verdicts, upgrades, refusals];
  for (const part of parts) await part();
  const log = server.text;
  equal(await server.stop(), 0, 'the server ends cleanly');
  await insecure(url);
  assert.ok(log.includes('twilio.signature_refused'), 'refusals are logged');
  assert.ok(!log.includes(TOKEN), 'the auth token is nowhere in the log');
  console.log(`twilio: ${checks} checks, ${calls} calls`);
}

try {
  await main();
} finally {
  await stopAll();
  rmSync(data, { recursive: true, force: true });
}

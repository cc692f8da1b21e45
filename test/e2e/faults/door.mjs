// What becomes of what must not come in: each row speaks to one server as a carrier that cheats,
// stumbles or keeps silent, and says what it got.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { NUMBER, TOKEN, until } from '../lib/lab.mjs';

const CODE_INVALID = 1007;
const CODE_POLICY = 1008;
const CODE_TOO_BIG = 1009;
const SILENCE = Buffer.alloc(160, 0xff).toString('base64');

/** A carrier's signature: HMAC-SHA1 of the address and the sorted form. */
function sign(url, params = {}, key = TOKEN) {
  const text = url + Object.keys(params).sort().map((k) => k + params[k]).join('');
  return createHmac('sha1', key).update(text).digest('base64');
}

const newSid = (letters) => letters + randomBytes(16).toString('hex');

async function post(server, path, params, signature = sign(server.url + path, params)) {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  if (signature) headers['X-Twilio-Signature'] = signature;
  const answer = await fetch(server.url + path, { method: 'POST', headers, body: new URLSearchParams(params) });
  return { status: answer.status, text: await answer.text() };
}

function ringing(to = NUMBER) {
  const CallSid = newSid('CA');
  return { CallSid, AccountSid: newSid('AC'), From: '+14155550100', To: to, CallStatus: 'ringing',
    Direction: 'inbound', ApiVersion: '2010-04-01' };
}

/** Rings and is given a token. */
async function ring(server) {
  const params = ringing();
  const answer = await post(server, '/api/twilio/voice', params);
  const token = /name="token" value="([^"]+)"/.exec(answer.text)?.[1];
  assert.ok(token, answer.text);
  return { token, callSid: params.CallSid };
}

function socket(server, signature) {
  const url = server.url.replace('http', 'ws') + '/api/twilio/stream';
  const headers = signature === null ? {} : { 'X-Twilio-Signature': signature ?? sign(url) };
  return new WebSocket(url, { headers });
}

/** The status of a refused upgrade. */
async function upgrade(server, signature) {
  const ws = socket(server, signature);
  const status = await new Promise((resolve) => {
    ws.on('open', () => resolve(101));
    ws.on('unexpected-response', (request, answer) => resolve(answer.statusCode));
    ws.on('error', () => {});
  });
  ws.terminate();
  return status;
}

class Stream {
  constructor(ws, callSid) {
    this.ws = ws;
    this.callSid = callSid;
    this.streamSid = newSid('MZ');
    this.sequence = 0;
    this.media = 0;
    this.closed = once(ws, 'close').then(([code]) => code);
    ws.on('error', () => {});
    ws.on('message', (text) => (this.media += JSON.parse(text).event === 'media'));
  }

  send(event, more) {
    this.sequence++;
    this.ws.send(JSON.stringify({ event, sequenceNumber: String(this.sequence),
      streamSid: this.streamSid, ...more }));
  }

  frames(count) {
    for (let i = 0; i < count; i++)
      this.send('media', { media: { track: 'inbound', chunk: String(i + 1), timestamp: String(i * 20),
        payload: SILENCE } });
  }

  heard() {
    return until('the agent on the stream', () => this.media > 0);
  }
}

/** Opens a stream and starts it as `callSid` with `token`. */
async function stream(server, { token, callSid }) {
  const ws = socket(server);
  await once(ws, 'open');
  const s = new Stream(ws, callSid);
  ws.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
  s.send('start', { start: { streamSid: s.streamSid, accountSid: newSid('AC'), callSid,
    tracks: ['inbound'], customParameters: token ? { token } : {},
    mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 } } });
  return s;
}

async function hangUp(s) {
  s.send('stop', { stop: { callSid: s.callSid } });
  s.ws.close();
  return s.closed;
}

const equal = assert.deepEqual;

// Each gives what the caller, or whoever it was, got; `log` must then have a new line like this.
const rows = [
  { name: 'webhook with a wrong signature', log: /twilio\.signature_refused path=\/api\/twilio\/voice/,
    async run(server) {
      const params = ringing();
      const wrong = sign(`${server.url}/api/twilio/voice`, params, 'another token');
      equal((await post(server, '/api/twilio/voice', params, wrong)).status, 403);
      return '403';
    } },
  { name: 'webhook without a signature', log: /twilio\.signature_refused path=\/api\/twilio\/voice/,
    async run(server) {
      equal((await post(server, '/api/twilio/voice', ringing(), null)).status, 403);
      return '403';
    } },
  { name: 'webhook with another form than was signed', log: /twilio\.signature_refused/,
    async run(server) {
      const params = ringing();
      const signature = sign(`${server.url}/api/twilio/voice`, params);
      equal((await post(server, '/api/twilio/voice', { ...params, From: '+1' }, signature)).status, 403);
      return '403';
    } },
  { name: 'stream with a wrong signature', log: /twilio\.signature_refused path=\/api\/twilio\/stream/,
    async run(server) {
      equal(await upgrade(server, 'bm90IHNpZ25lZCBhdCBhbGwgISE='), 403);
      return 'no upgrade, 403';
    } },
  { name: 'stream without a signature', log: /twilio\.signature_refused path=\/api\/twilio\/stream/,
    async run(server) {
      equal(await upgrade(server, null), 403);
      return 'no upgrade, 403';
    } },
  { name: 'token used twice', log: /twilio\.stream_refused .*token=given/,
    async run(server) {
      const given = await ring(server);
      const first = await stream(server, given);
      await first.heard();
      const again = await stream(server, given);
      equal(await again.closed, CODE_POLICY);
      equal(again.media, 0);
      equal(first.ws.readyState, WebSocket.OPEN, 'the first stream goes on');
      await hangUp(first);
      return `the second is closed with ${CODE_POLICY}, the first goes on`;
    } },
  { name: 'token of another call', log: /twilio\.stream_refused .*token=given/,
    async run(server) {
      const mine = await ring(server);
      const other = await ring(server);
      const s = await stream(server, { token: other.token, callSid: mine.callSid });
      equal(await s.closed, CODE_POLICY);
      equal(s.media, 0);
      return `closed with ${CODE_POLICY}, not a sound`;
    } },
  { name: 'token made up', log: /twilio\.stream_refused .*token=given/,
    async run(server) {
      const { callSid } = await ring(server);
      const s = await stream(server, { token: 'A'.repeat(32), callSid });
      equal(await s.closed, CODE_POLICY);
      return `closed with ${CODE_POLICY}`;
    } },
  { name: 'no token', log: /twilio\.stream_refused .*token=missing/,
    async run(server) {
      const { callSid } = await ring(server);
      equal(await (await stream(server, { callSid })).closed, CODE_POLICY);
      return `closed with ${CODE_POLICY}`;
    } },
  { name: 'unknown number', log: /call\.refused|unknown|number/,
    async run(server, lab) {
      const [report] = await lab.dial(server, ['--to', '+15055550777', '--say', 'Hello?']);
      equal(report.carrier_says, ['This number is not in service.']);
      equal([report.heard_ms, report.frames_sent], [0, 0]);
      return `"${report.carrier_says[0]}", ended by ${report.ended_by}`;
    } },
  { name: 'malformed JSON, once', log: /twilio\.bad_message .*count=1/,
    async run(server) {
      const s = await stream(server, await ring(server));
      await s.heard();
      const before = s.media;
      s.ws.send('{"event":"media","media":');
      s.frames(5);
      await until('more of the agent', () => s.media > before);
      await hangUp(s);
      return 'the call goes on';
    } },
  { name: 'malformed JSON, again and again', log: /twilio\.stream_closed .*code=1007/,
    async run(server) {
      const s = await stream(server, await ring(server));
      await s.heard();
      for (let i = 0; i < 10; i++) s.ws.send('not JSON at all');
      equal(await s.closed, CODE_INVALID);
      return `closed with ${CODE_INVALID} after ten`;
    } },
  { name: 'oversized frame', log: /1009/,
    async run(server) {
      const s = await stream(server, await ring(server));
      await s.heard();
      s.send('media', { media: { track: 'inbound', payload: 'A'.repeat(70000) } });
      equal(await s.closed, CODE_TOO_BIG);
      return `closed with ${CODE_TOO_BIG}`;
    } },
  { name: 'binary frame', log: /twilio\.bad_message .*binary/,
    async run(server) {
      const s = await stream(server, await ring(server));
      await s.heard();
      const before = s.media;
      s.ws.send(randomBytes(160));
      await until('more of the agent', () => s.media > before);
      await hangUp(s);
      return 'the call goes on';
    } },
  { name: 'media before the start', log: /twilio\.bad_message .*before the stream has started/,
    async run(server) {
      const { callSid } = await ring(server);
      const ws = socket(server);
      await once(ws, 'open');
      const s = new Stream(ws, callSid);
      s.frames(10);
      equal(await s.closed, CODE_INVALID);
      return `closed with ${CODE_INVALID}`;
    } },
  { name: 'silent caller', log: /call\.ended .*reason="silence"/,
    async run(server, lab) {
      const [report] = await lab.dial(server, ['--pause', '60000']);
      const call = await lab.callOf(server, report.call_sid);
      const said = call.turns.map((t) => t.text);
      equal(report.ended_by, 'agent', JSON.stringify(report));
      assert.ok(said.some((s) => /still there/.test(s)), said.join(' | '));
      assert.equal(report.unheard_at_close_ms, 0, 'the goodbye was heard');
      assert.ok(said.length >= 4 && report.heard_ms > 4000, said.join(' | '));
      return said.slice(2).join(' | ');
    } },
  { name: 'caller vanishes without a word', log: /twilio\.stream_closed .*code=1006/,
    async run(server) {
      const s = await stream(server, await ring(server));
      await s.heard();
      s.ws.terminate();
      await s.closed;
      return 'nothing: gone';
    } },
];

export async function doorFaults(lab, only) {
  const chosen = rows.filter((r) => r.name.includes(only));
  if (chosen.length === 0) return 0;
  const provider = await lab.provider();
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--silence', '2s', '--demo-dir', lab.terse()]);
  for (const row of chosen) {
    const from = server.log.length;
    const got = await row.run(server, lab);
    const line = await until(`a log line like ${row.log} for ${row.name}`, () =>
      server.log.slice(from).split('\n').find((l) => row.log.test(l)), 5000);
    console.log(`${row.name}\n    caller: ${got}\n    log: ${line.replace(/^\S+ /, '').slice(0, 130)}`);
    const { status, calls } = await lab.healthy(server);
    assert.ok(status || calls !== undefined, 'health has something to say');
  }
  await lab.finish(server);
  const figures = await provider.figures();
  equal(figures.violations, []);
  equal(figures.active, 0, 'no engine session is left open');
  return chosen.length;
}

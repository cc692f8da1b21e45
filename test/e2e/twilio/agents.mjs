// `callee dial` against somebody else's server: OpenAI's own Twilio transport, with the TwiML and the
// signature check of the `twilio` package, and `callee provider` behind it. So dial is judged by
// programs that were written for the real Twilio and the real Realtime API.
// Usage: CALLEE_BIN=build/dev/callee node agents.mjs
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { WebSocketServer } from 'ws';
import { DEMO_NUMBER, TOKEN, freePort, start, stopAll } from './lib.mjs';

const SKIP = 77;
async function load(name) {
  return import(name).catch((e) => {
    console.log(`skipped: ${name} does not load here: ${e.message}`);
    process.exit(SKIP);
  });
}
const twilio = (await load('twilio')).default;
const { RealtimeAgent, RealtimeSession } = await load('@openai/agents-realtime');
const { TwilioRealtimeTransportLayer } = await load('@openai/agents-extensions');
const program = process.env.CALLEE_BIN ?? 'build/dev/callee';
const GOODBYE = 'Goodbye & thank you.';
const PARAMETER = 'acme & co <1> "ø"';

/** The server of OpenAI's Twilio example, reduced to what matters here. */
async function serve(providerUrl) {
  const port = await freePort();
  const seen = { webhooks: [], streams: 0, messages: {}, status: [], truncations: [], clears: 0, errors: [], hangUp: false };
  const base = `http://127.0.0.1:${port}`;

  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const params = Object.fromEntries(new URLSearchParams(body));
    const signature = request.headers['x-twilio-signature'] ?? '';
    if (!twilio.validateRequest(TOKEN, signature, base + request.url, params)) {
      seen.errors.push(`bad signature for ${request.url}`);
      return response.writeHead(403).end();
    }
    if (request.url === '/api/twilio/status') {
      seen.status.push(params);
      return response.writeHead(204).end();
    }
    seen.webhooks.push(params);
    const twiml = new twilio.twiml.VoiceResponse();
    twiml.connect().stream({ url: `ws://127.0.0.1:${port}/stream` })
      .parameter({ name: 'tenant', value: PARAMETER });
    twiml.say(GOODBYE);
    twiml.hangup();
    response.writeHead(200, { 'Content-Type': 'text/xml' }).end(twiml.toString());
  });

  const wss = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const signature = request.headers['x-twilio-signature'] ?? '';
    const url = `ws://127.0.0.1:${port}${request.url}`;
    if (!twilio.validateRequest(TOKEN, signature, url, {})) {
      seen.errors.push('bad signature for the stream');
      return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    }
    wss.handleUpgrade(request, socket, head, (ws) => talk(ws, providerUrl, seen));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { base, seen, close: () => { wss.clients.forEach((c) => c.terminate()); server.close(); } };
}

async function talk(ws, providerUrl, seen) {
  seen.streams++;
  const send = ws.send.bind(ws);
  ws.send = (text, ...rest) => {
    if (JSON.parse(text).event === 'clear') seen.clears++;
    return send(text, ...rest);
  };
  ws.on('message', (text, binary) => {
    assert.equal(binary, false, 'text frames only');
    const m = JSON.parse(text);
    (seen.messages[m.event] ??= []).push(m);
    if (seen.hangUp && m.event === 'mark') ws.close();
  });
  const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket: ws });
  transport.on('*', (event) => {
    if (event.type === 'conversation.item.truncated') seen.truncations.push(event);
  });
  const agent = new RealtimeAgent({ name: 'Agent', instructions: 'You answer the telephone.' });
  const config = { audio: {
    input: { format: 'g711_ulaw', turnDetection: { type: 'server_vad', interruptResponse: true } },
    output: { format: 'g711_ulaw' },
  } };
  const session = new RealtimeSession(agent, { transport, config, tracingDisabled: true });
  session.on('error', (e) => seen.errors.push(JSON.stringify(e.error ?? e, null, 0).slice(0, 300)));
  try {
    await session.connect({ apiKey: 'sk-test', url: providerUrl });
    transport.sendEvent({ type: 'response.create' });
  } catch (e) {
    seen.errors.push(String(e));
    ws.close();
  }
}

function checkMessages(seen) {
  const { connected, start: [first], media, mark } = seen.messages;
  assert.deepEqual(connected, [{ event: 'connected', protocol: 'Call', version: '1.0.0' }]);
  assert.match(first.start.streamSid, /^MZ[0-9a-f]{32}$/);
  assert.match(first.start.callSid, /^CA[0-9a-f]{32}$/);
  assert.equal(first.start.callSid, seen.webhooks[0].CallSid);
  assert.deepEqual(first.start.mediaFormat, { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 });
  assert.deepEqual(first.start.customParameters, { tenant: PARAMETER });
  assert.ok(media.length > 100, `${media.length} media messages`);
  const all = [first, ...media, ...(mark ?? [])].map((m) => Number(m.sequenceNumber)).sort((a, b) => a - b);
  assert.equal(all[0], 1);
  media.forEach((m, i) => {
    assert.equal(m.media.track, 'inbound');
    assert.equal(m.media.chunk, String(i + 1));
    assert.equal(Buffer.from(m.media.payload, 'base64').length, 160);
  });
  assert.ok(mark?.length > 0, 'marks are echoed');
}

function lastJson(p) {
  const line = p.text.split('\n').findLast((l) => l.startsWith('{'));
  assert.ok(line, p.text);
  return JSON.parse(line);
}

async function call(server, steps) {
  const dial = start(program, ['dial', '--url', server.base, '--token', TOKEN, '--to', DEMO_NUMBER,
    ...steps, '--max-seconds', '60', '--json']);
  await dial.exited;
  return lastJson(dial);
}

function checkConversation(report, seen) {
  assert.deepEqual(seen.errors, []);
  assert.equal(report.ok, true, JSON.stringify(report));
  assert.equal(seen.webhooks.length, 1);
  assert.equal(seen.streams, 1);
  checkMessages(seen);
  assert.equal(seen.status.at(-1)?.CallStatus, 'completed');
  assert.equal(report.bad_messages, 0);
  assert.equal(report.marks_echoed, report.marks_received);
  assert.ok(report.heard_ms > 3000, `heard ${report.heard_ms} ms`);
  assert.equal(report.interruptions.length, 1);
  assert.equal(report.interruptions[0].honoured, true, 'the interruption silenced the agent');
  assert.ok(report.clears[0].dropped_ms > 0, 'clear dropped what was not yet heard');
  // The transport knows by marks alone: never more than was heard, at most a mark behind.
  assert.equal(seen.clears, 1);
  assert.equal(seen.truncations.length, 1);
  const behind = report.clears[0].heard_ms_truth - seen.truncations[0].audio_end_ms;
  assert.ok(behind >= 0 && behind <= 250, `truncated ${behind} ms before what was heard`);
}

async function main() {
  const provider = start(program, ['provider', '--listen', '127.0.0.1:0', '--json']);
  const url = (await provider.line(/listening on (ws:\S+)/))[1];
  const server = await serve(`${url}?model=gpt-realtime`);
  const conversation = await call(server, ['--say', 'Hello, what are your opening hours?',
    '--interrupt-after', '800', '--say', 'Wait, stop, I have another question.']);
  checkConversation(conversation, server.seen);

  server.seen.hangUp = true;
  const ended = await call(server, ['--say', 'Hello?']);
  assert.equal(ended.transferred_to, null);
  assert.deepEqual(ended.carrier_says, [GOODBYE], 'the verb behind Connect was obeyed');
  assert.notEqual(ended.ended_by, 'caller');
  assert.equal(server.seen.streams, 2);

  await provider.stop();
  const figures = lastJson(provider);
  assert.equal(figures.violationCount, 0, JSON.stringify(figures.violations));
  assert.deepEqual(server.seen.errors, []);
  server.close();
  console.log(`agents: heard ${conversation.heard_ms} ms, interruption silent after ` +
    `${conversation.interruptions[0].silence_after_ms} ms, truncated to ` +
    `${server.seen.truncations[0].audio_end_ms} ms, heard ${conversation.clears[0].heard_ms_truth} ms`);
}

try {
  await main();
} finally {
  await stopAll();
}
process.exit(0);

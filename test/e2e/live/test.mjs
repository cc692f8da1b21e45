// `make live` itself, with stand-ins where the real ones would cost money: the scripted provider for
// OpenAI, and for Twilio's REST API a server with the answers of its documentation.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { CALLEE, ROOT, main } from '../lib/lab.mjs';

const SID = `AC${'0'.repeat(32)}`;
const CALL = `CA${'1'.repeat(32)}`;
const NUMBER = '+15055550100';

const clean = Object.fromEntries(
  Object.entries(process.env).filter(([k]) => !/^(CALLEE_|TWILIO_|OPENAI_|LIVE_)/.test(k)));

async function live(env) {
  const p = spawn('sh', [join(ROOT, 'scripts/live.sh')], { env: { ...clean, CALLEE_BIN: CALLEE, ...env } });
  let out = '';
  p.stdout.on('data', (d) => (out += d));
  p.stderr.on('data', (d) => (out += d));
  const [code] = await once(p, 'close');
  return { code, out };
}

/** Twilio's REST API as far as callee asks it; `seen` has what was asked. */
async function account(voiceUrl) {
  const seen = [];
  const server = createServer(async (request, answer) => {
    let body = '';
    for await (const part of request) body += part;
    const path = request.url.replace(`/2010-04-01/Accounts/${SID}`, '');
    seen.push(`${request.method} ${path.split('?')[0]}`);
    const give = (status, json) => answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    const auth = Buffer.from((request.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString();
    if (auth !== `${SID}:secret`) return give(401, { code: 20003, message: 'Authenticate', status: 401 });
    if (path === '.json') return give(200, { sid: SID, status: 'active', type: 'Full', friendly_name: 'live' });
    if (path.startsWith('/IncomingPhoneNumbers.json'))
      return give(200, { incoming_phone_numbers: [{ phone_number: NUMBER, voice_url: voiceUrl, voice_method: 'POST' }] });
    if (path === '/Calls.json') return give(201, { sid: CALL, status: 'queued' });
    return give(200, { sid: CALL, status: 'completed', duration: '61', price: null });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close: () => server.close() };
}

main(async (lab) => {
  const nothing = await live({});
  assert.equal(nothing.code, 0, nothing.out);
  assert.match(nothing.out, /all skipped: no keys/);

  const script = lab.path('answers.jsonl');
  writeFileSync(script, [
    { user: 'What are your opening hours on Saturday?', call: 'query_knowledge_base', arguments: { query: 'opening hours' } },
    { say: 'On Saturday we are open from nine in the morning until six in the evening, and you are most welcome to come by.' },
    { user: 'Wait, stop.', say: 'Shipping costs five dollars.' },
  ].map((l) => JSON.stringify(l)).join('\n'));
  const provider = await lab.provider(['--script', script, '--key', 'sk-live']);
  const good = { OPENAI_API_KEY: 'sk-live', CALLEE_PROVIDER_URL: provider.url };
  const answered = await live(good);
  assert.equal(answered.code, 0, answered.out);
  assert.match(answered.out, /ok +openai: a spoken turn.*Saturday.*\[\$0\.\d+\]/);
  assert.match(answered.out, /ok +openai: an interruption.*cut at \d+ ms/);
  assert.match(answered.out, /2 run, 0 failed, \$0\.\d*[1-9]\d* spent/);

  const poor = await live({ ...good, LIVE_BUDGET_USD: '0.1' });
  assert.equal(poor.code, 0, poor.out);
  assert.match(poor.out, /skipped +openai.*may cost \$0\.15/);
  const refused = await live({ ...good, OPENAI_API_KEY: 'sk-wrong' });
  assert.equal(refused.code, 1, refused.out);
  assert.match(refused.out, /FAILED +openai/);
  assert.ok(!refused.out.includes('sk-wrong'), 'no key is printed');

  const server = await lab.serve();
  const there = await account(`${server.url}/api/twilio/voice`);
  const twilio = { TWILIO_ACCOUNT_SID: SID, TWILIO_AUTH_TOKEN: 'secret', TWILIO_API_URL: there.url,
    CALLEE_PUBLIC_URL: server.url, TWILIO_FROM: NUMBER };
  const looked = await live(twilio);
  assert.equal(looked.code, 0, looked.out);
  assert.match(looked.out, /ok +twilio: the account/);
  assert.match(looked.out, /ok +twilio: the number's webhook/);
  assert.match(looked.out, /skipped +twilio: a call to TWILIO_TO/);
  assert.ok(!there.seen.includes('POST /Calls.json'), 'nobody was called unasked');
  const called = await live({ ...twilio, TWILIO_TO: '+15055550199' });
  assert.equal(called.code, 0, called.out);
  assert.match(called.out, /lasted 61 s \(list price\) \[\$0\.0280\]/);
  const wrong = await live({ ...twilio, TWILIO_AUTH_TOKEN: 'other' });
  assert.equal(wrong.code, 1, wrong.out);
  there.close();
  console.log(answered.out.trim());
});

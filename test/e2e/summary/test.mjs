// A call is summed up by rules, and by a model: a stand-in with OpenAI's chat completions. What comes of
// it is kept with the call, and a model that fails or makes things up changes nothing for the worse.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { main, until } from '../lib/lab.mjs';

const KEY = 'sk-summary-secret';

/** `answer(body)` gives {status, content}; `seen` has the requests. */
async function model(answer) {
  const seen = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const body = JSON.parse(text);
    seen.push({ path: request.url, key: request.headers.authorization, body });
    const { status = 200, content } = answer(body);
    const said = status === 200
      ? { choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
          usage: { prompt_tokens: 1000, completion_tokens: 100 } }
      : { error: { message: `no, not with ${KEY}`, code: null } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/v1`, seen, close: () => server.close() };
}

main(async (lab) => {
  const script = lab.path('answers.jsonl');
  writeFileSync(script, JSON.stringify({ user: 'What are your opening hours on Saturday?',
    say: 'On Saturday we are open from nine until six.' }));
  const provider = await lab.provider(['--script', script]);
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--demo-dir', lab.terse()]);
  await lab.dial(server, ['--say', 'What are your opening hours on Saturday?']);
  const call = await until('the call to end', async () =>
    (await lab.calls(server.data)).find((c) => c.endedAtMs > 0));
  assert.equal(call.summary, undefined, 'nobody has asked yet');
  const user = call.turns.findIndex((t) => t.role === 'user') + 1;
  assert.ok(user > 0, 'the caller was heard');
  const sum = (args, env) =>
    lab.run(['summary', call.id, '--data', server.data, ...args], { code: null, env });
  const stored = async () => (await lab.run(['calls', call.id, '--data', server.data, '--json'])).json()[0];

  // By rules.
  let p = await sum([], {});
  assert.equal(p.code, 0, p.err);
  let kept = await stored();
  assert.equal(kept.outcome, 'answered');
  assert.equal(kept.summary.by, 'rules');
  assert.ok(kept.summary.text.includes(call.turns[user - 1].text), kept.summary.text);
  assert.ok(kept.summary.turns.includes(call.turns[user - 1].itemId));
  assert.ok(p.out.includes(kept.summary.text) && p.out.includes('answered'));

  // By a model, whose invention is left out.
  const good = { text: 'Hours were asked for.', turns: [user], outcome: 'answered',
    topics: [{ text: 'opening hours', turns: [user] }, { text: 'invented', turns: [99] }],
    followUps: [] };
  const stand = await model(() => ({ content: JSON.stringify(good) }));
  const env = { CALLEE_LLM_URL: stand.url, CALLEE_LLM_MODEL: 'stand-in', CALLEE_LLM_KEY: KEY,
    CALLEE_LLM_PRICE_IN: '0.15', CALLEE_LLM_PRICE_OUT: '0.60' };
  p = await sum(['--json'], env);
  assert.equal(p.code, 0, p.err);
  assert.equal(p.json()[0].costMicroUsd, 210, '1000 tokens at $0.15 and 100 at $0.60 a million');
  kept = await stored();
  assert.deepEqual(kept.summary, { text: good.text, turns: [call.turns[user - 1].itemId],
    topics: [{ text: 'opening hours', turns: [call.turns[user - 1].itemId] }], followUps: [],
    by: 'stand-in' });
  const [asked] = stand.seen;
  assert.equal(asked.path, '/v1/chat/completions');
  assert.equal(asked.key, `Bearer ${KEY}`);
  assert.equal(asked.body.response_format.json_schema.strict, true);
  const lines = asked.body.messages[1].content.trim().split('\n').map((l) => JSON.parse(l));
  assert.deepEqual(lines.slice(0, -1).map((l) => l.text), call.turns.map((t) => t.text));
  const shown = await lab.run(['calls', call.id, '--data', server.data]);
  assert.match(shown.out, /summary: Hours were asked for\. \(by stand-in\)\n *outcome: answered\n *topic: opening hours/);

  // --rules asks nobody.
  await sum(['--rules'], env);
  assert.equal((await stored()).summary.by, 'rules');
  assert.equal(stand.seen.length, 1);
  stand.close();

  // Models that fail: refused, talking, resting on nothing. The rules take their place, and are told.
  for (const [why, answer] of [[/answered 400/, { status: 400 }],
    [/not the JSON/, { content: 'Sure! Here is your summary.' }],
    [/no summary/, { content: '{"text":"x","turns":[1],"outcome":"great","topics":[],"followUps":[]}' }],
    [/rests on no turn/, { content: JSON.stringify({ ...good, turns: [99] }) }]]) {
    const bad = await model(() => answer);
    p = await sum([], { ...env, CALLEE_LLM_URL: bad.url });
    bad.close();
    assert.equal(p.code, 0, p.err);
    assert.match(p.err, why);
    assert.ok(!(p.out + p.err).includes(KEY), 'the key is never shown');
    assert.equal((await stored()).summary.by, 'rules');
  }
  // Asked for wrongly.
  for (const args of [['summary'], ['summary', 'nobody']])
    assert.equal((await lab.run([...args, '--data', server.data], { code: null })).code, 2);
  await lab.finish(server);
});

// Our clients of hosted services beside the official one: the same calls to the same stand-in server,
// whose requests and whose results must not differ.
// Usage: node test.mjs PATH_OF_LLM_CLIENT
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import OpenAI, { toFile } from 'openai';

const program = process.argv[2];
const KEY = 'sk-e2e-0123456789';
const CALLS = ['embed', 'embed_decimal', 'chat', 'chat_stream', 'chat_tools', 'chat_tools_stream',
  'chat_schema', 'chat_busy', 'chat_never', 'chat_wrong', 'transcribe', 'speak'];

// -- the stand-in --

const VECTORS = [[0.5, -0.25, 0.125, 1], [-1.5, 0.0078125, 3, -0.75]];
const USAGE = { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16,
  prompt_tokens_details: { cached_tokens: 3, audio_tokens: 0 } };
const TOOL_CALLS = [
  { id: 'call_a', type: 'function', function: { name: 'look_up', arguments: '{"q":"a"}' } },
  { id: 'call_b', type: 'function', function: { name: 'look_up', arguments: '{"q":"ü"}' } },
];

const base64 = (vector) => Buffer.from(new Float32Array(vector).buffer).toString('base64');

function embeddings(body) {
  const form = body.encoding_format === 'base64' ? base64 : (v) => v;
  return { object: 'list', model: body.model,
    data: VECTORS.map((v, index) => ({ object: 'embedding', index, embedding: form(v) })),
    usage: { prompt_tokens: 7, total_tokens: 7 } };
}

function message(body) {
  if (body.tools) return { role: 'assistant', content: null, refusal: null, tool_calls: TOOL_CALLS };
  const content = body.response_format ? '{"mood":"good"}' : 'Good dây.';
  return { role: 'assistant', content, refusal: null };
}

function completion(body) {
  return { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: body.model,
    choices: [{ index: 0, message: message(body), logprobs: null,
      finish_reason: body.tools ? 'tool_calls' : 'stop' }],
    usage: USAGE };
}

function* chunks(body) {
  const chunk = (choices, usage = null) => ({ id: 'chatcmpl-1', object: 'chat.completion.chunk',
    created: 1, model: body.model, service_tier: 'default', choices, usage, obfuscation: 'x7' });
  const delta = (d, finish = null) =>
    chunk([{ index: 0, delta: d, logprobs: null, finish_reason: finish }]);
  yield delta({ role: 'assistant', content: body.tools ? null : '', refusal: null });
  if (body.tools) {
    for (const [index, call] of TOOL_CALLS.entries()) {
      yield delta({ tool_calls: [{ index, ...call, function: { name: 'look_up', arguments: '' } }] });
      for (const piece of [call.function.arguments.slice(0, 4), call.function.arguments.slice(4)])
        yield delta({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  } else {
    for (const content of ['Good', ' d', 'ây.']) yield delta({ content });
  }
  yield delta({}, body.tools ? 'tool_calls' : 'stop');
  yield chunk([], USAGE);
}

let seen = []; // {path, headers, body}
let busy = 0; // refusals so far

function json(res, status, body, headers = {}) {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(JSON.stringify(body));
}

const refuse = (res, status, headers) =>
  json(res, status, { error: { message: 'no', type: 'x', param: null, code: null } }, headers);

async function chat(res, body) {
  const said = body.messages.at(-1).content;
  if (said === 'busy' && busy++ === 0) return refuse(res, 429, { 'retry-after-ms': '30' });
  if (said === 'never') return refuse(res, 503, { 'x-should-retry': 'false' });
  if (said === 'wrong') return refuse(res, 400);
  if (!body.stream) return json(res, 200, completion(body));
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  for (const chunk of chunks(body)) {
    // Every event in two pieces, cut within a character when there is one.
    const bytes = Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`);
    const cut = Math.max(1, bytes.findIndex((b) => b >= 0x80) + 1);
    res.write(bytes.subarray(0, cut));
    await new Promise(setImmediate);
    res.write(bytes.subarray(cut));
  }
  return res.end('data: [DONE]\n\n');
}

function speech(res) {
  const samples = new Int16Array(5000).map((_, i) => i * 11 - 20000);
  res.writeHead(200, { 'content-type': 'audio/pcm' });
  const bytes = Buffer.from(samples.buffer);
  res.write(bytes.subarray(0, 3333));
  setImmediate(() => res.end(bytes.subarray(3333)));
}

async function handle(req, res) {
  const pieces = [];
  for await (const piece of req) pieces.push(piece);
  const raw = Buffer.concat(pieces);
  const type = req.headers['content-type'];
  const body = type === 'application/json' ? JSON.parse(raw) : await form(type, raw);
  seen.push({ method: req.method, path: req.url, authorization: req.headers.authorization,
    type: type.split(';')[0], body });
  switch (req.url) {
    case '/v1/embeddings': return json(res, 200, embeddings(body));
    case '/v1/chat/completions': return chat(res, body);
    case '/v1/audio/transcriptions':
      return json(res, 200, { text: 'Wörds.',
        usage: { type: 'tokens', input_tokens: 21, output_tokens: 4, total_tokens: 25 } });
    case '/v1/audio/speech': return speech(res);
    default: return refuse(res, 404);
  }
}

// The fields of a form by name, read by Node's own parser; files as type, name and bytes.
async function form(type, raw) {
  const data = await new Response(raw, { headers: { 'content-type': type } }).formData();
  const fields = {};
  for (const [name, value] of data) {
    assert.ok(!(name in fields), `${name} stands twice in the form`);
    fields[name] = typeof value === 'string' ? value
      : { type: value.type, name: value.name,
          bytes: Buffer.from(await value.arrayBuffer()).toString('base64') };
  }
  return fields;
}

// -- the official client --

function wav(samples, rate) {
  const b = Buffer.alloc(44 + samples.length * 2);
  b.write('RIFF', 0);
  b.writeUInt32LE(36 + samples.length * 2, 4);
  b.write('WAVEfmt ', 8);
  b.writeUInt32LE(16, 16);
  b.writeUInt16LE(1, 20);
  b.writeUInt16LE(1, 22);
  b.writeUInt32LE(rate, 24);
  b.writeUInt32LE(rate * 2, 28);
  b.writeUInt16LE(2, 32);
  b.writeUInt16LE(16, 34);
  b.write('data', 36);
  b.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((s, i) => b.writeInt16LE(s, 44 + i * 2));
  return b;
}

const model = 'stand-in';
const question = [{ role: 'system', content: 'Be short.\nBe "kind".' },
  { role: 'user', content: 'café?' }];
const parameters = { type: 'object', properties: { q: { type: 'string' } }, required: ['q'],
  additionalProperties: false };
const toolAsk = {
  model,
  messages: [{ role: 'user', content: 'tools' },
    { role: 'assistant', content: null, tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'look_up', arguments: '{"q":"hours"}' } }] },
    { role: 'tool', content: '9 to 5', tool_call_id: 'call_1' }],
  tools: [{ type: 'function',
    function: { name: 'look_up', description: 'Looks something up.', parameters, strict: true } }],
  tool_choice: 'required', max_completion_tokens: 99, temperature: 0.25,
};
const mood = { type: 'object', properties: { mood: { type: 'string' } }, required: ['mood'],
  additionalProperties: false };
const pieceful = { stream: true, stream_options: { include_usage: true } };

const callsOf = (list) => (list ?? []).map((c) => [c.id, c.function.name, c.function.arguments]);

async function whole(ask) {
  const c = await ask;
  const { message: m, finish_reason: finish } = c.choices[0];
  return { text: m.content ?? '', calls: callsOf(m.tool_calls), finish,
    in: c.usage.prompt_tokens, out: c.usage.completion_tokens };
}

async function streamed(openai, ask) {
  const stream = openai.chat.completions.stream({ ...ask, ...pieceful });
  const pieces = [];
  stream.on('content', (delta) => delta && pieces.push(delta));
  return { pieces, ...(await whole(stream.finalChatCompletion())) };
}

async function vectors(ask) {
  const e = await ask;
  return { vectors: e.data.map((d) => d.embedding), in: e.usage.prompt_tokens, out: 0 };
}

function officialCalls(openai) {
  const input = ['When do you open?', 'Grüß'];
  const say = (content) =>
    whole(openai.chat.completions.create({ model, messages: [{ role: 'user', content }] }));
  return {
    embed: () => vectors(openai.embeddings.create({ model, input, dimensions: 4 })),
    embed_decimal: () => vectors(openai.embeddings.create({ model, input, encoding_format: 'float' })),
    chat: () => whole(openai.chat.completions.create({ model, messages: question })),
    chat_stream: () => streamed(openai, { model, messages: question }),
    chat_tools: () => whole(openai.chat.completions.create(toolAsk)),
    chat_tools_stream: () => streamed(openai, toolAsk),
    chat_schema: () => whole(openai.chat.completions.create({ model, messages: question,
      response_format: { type: 'json_schema',
        json_schema: { name: 'mood', strict: true, schema: mood } } })),
    chat_busy: () => say('busy'),
    chat_never: () => say('never'),
    chat_wrong: () => say('wrong'),
    transcribe: async () => {
      const samples = Array.from({ length: 1600 }, (_, i) => i * 13 - 10000);
      const file = await toFile(wav(samples, 16000), 'audio.wav', { type: 'audio/wav' });
      const t = await openai.audio.transcriptions.create({ model, file, language: 'en',
        prompt: 'café "Pecos"', response_format: 'json' });
      return { text: t.text, in: t.usage.input_tokens, out: t.usage.output_tokens };
    },
    speak: async () => {
      const response = await openai.audio.speech.create({ model, input: 'Grüß Gott', voice: 'marin',
        instructions: 'Calm.', speed: 1.5, response_format: 'pcm' });
      const bytes = await response.arrayBuffer();
      return { samples: [...new Int16Array(bytes)], rate: 24000, in: 0, out: 0 };
    },
  };
}

async function official(url) {
  const calls = officialCalls(new OpenAI({ apiKey: KEY, baseURL: url }));
  const results = [];
  for (const name of CALLS) {
    try {
      results.push({ call: name, err: 'ok', ...(await calls[name]()) });
    } catch (e) {
      if (!(e instanceof OpenAI.APIError)) throw e;
      results.push({ call: name, err: e.status });
    }
  }
  return results;
}

// -- ours --

async function ours(url) {
  const child = spawn(program, [url, KEY], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (piece) => (out += piece));
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  return out.trim().split('\n').map((line) => JSON.parse(line));
}

// What the official client adds by itself and what it leaves to the server's default.
function comparable(request) {
  const body = { ...request.body };
  if (request.path === '/v1/embeddings' && body.encoding_format === 'float')
    delete body.encoding_format; // the default, which ours does not say
  return { ...request, body };
}

const server = http.createServer((req, res) => {
  handle(req, res).catch((e) => {
    console.error(e);
    process.exit(1);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/v1`;

const wanted = await official(url);
const wantedRequests = seen;
seen = [];
busy = 0;
const got = await ours(url);
const gotRequests = seen;
server.close();
server.closeAllConnections();

assert.deepEqual(gotRequests.map((r) => r.path), wantedRequests.map((r) => r.path));
gotRequests.forEach((r, i) =>
  assert.deepEqual(comparable(r), comparable(wantedRequests[i]), `request ${i} to ${r.path}`));
assert.deepEqual(got.map((r) => r.call), CALLS);
got.forEach((r, i) => {
  if (wanted[i].err !== 'ok') assert.equal(r.err, 'upstream', r.call);
  else assert.deepEqual(r, wanted[i], r.call);
});
assert.deepEqual(wanted.filter((r) => r.err !== 'ok').map((r) => [r.call, r.err]),
  [['chat_never', 503], ['chat_wrong', 400]]);
console.log(`ok: ${gotRequests.length} requests and ${got.length} results as the official client's`);

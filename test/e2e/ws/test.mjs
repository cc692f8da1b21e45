// Both sides of callee's WebSocket against the `ws` package, plain and over TLS.
// Usage: node test.mjs PATH_OF_WS_ECHO
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';

const program = process.argv[2];
const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20];
const dir = mkdtempSync(join(tmpdir(), 'ws_e2e.'));
const cert = join(dir, 'cert.pem');
const key = join(dir, 'key.pem');
let checks = 0;

function equal(got, want, what) {
  assert.deepEqual(got, want, what);
  checks++;
}

// -- ours as the client: the peer echoes and obeys "cmd:..." --

function command(ws, text) {
  const [name, ...rest] = text.slice(4).split(' ');
  switch (name) {
    case 'fragments':
      ws.send('one ', { fin: false });
      ws.send('two ', { fin: false });
      ws.ping();
      ws.send('three', { fin: true });
      break;
    case 'ping':
      ws.once('pong', (data) => ws.send(`pong ${data}`));
      ws.ping(rest[0]);
      break;
    case 'close':
      ws.close(rest.length ? Number(rest[0]) : undefined, rest.slice(1).join(' '));
      break;
    case 'toolarge':
      ws.send('x'.repeat((1 << 20) + 1));
      break;
    case 'terminate':
      ws.terminate();
      break;
    default:
      ws.close(1011, 'unknown command');
  }
}

async function ourClient(tls) {
  const server = tls
    ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
    : http.createServer();
  const codes = [];
  const wss = new WebSocketServer({
    server,
    maxPayload: 2 << 20,
    verifyClient: ({ req }, done) => {
      equal(req.headers.authorization, 'Bearer test', 'extra header');
      done(req.url !== '/refuse', 401);
    },
  });
  wss.on('connection', (ws) => {
    equal(ws.protocol, 'echo', 'subprotocol');
    ws.on('message', (data, binary) => {
      const text = String(data);
      if (!binary && text.startsWith('cmd:')) command(ws, text);
      else ws.send(binary ? data : text);
    });
    ws.on('close', (code, reason) => codes.push(`${code} ${reason}`));
    ws.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `${tls ? 'wss' : 'ws'}://localhost:${server.address().port}`;
  const child = spawn(program, ['client', base, ...(tls ? [cert] : [])]);
  const [out, err, code] = await outcome(child);
  assert.equal(code, 0, err);
  equal(out, 'ok\n', err);
  // A code and reason of ours arrive as we sent them; an echoed code comes back as it was sent.
  equal(codes, ['1000 ', '1000 ', '1000 ', '4001 ', '1001 ', '1005 ', '1009 message too large',
    '1006 ', '1000 done'], 'codes the peer saw');
  wss.close();
  server.close();
}

async function outcome(child) {
  let out = '';
  let err = '';
  child.stdout.on('data', (d) => (out += d));
  child.stderr.on('data', (d) => (err += d));
  const [code] = await once(child, 'close');
  return [out, err, code];
}

// -- ours as the server --

async function opened(base, options = {}) {
  const ca = base.startsWith('wss') ? { ca: readFileSync(cert) } : {};
  const ws = new WebSocket(`${base}/echo`, 'echo', { maxPayload: 2 << 20, ...ca, ...options });
  await once(ws, 'open');
  return ws;
}

async function echoes(base) {
  const ws = await opened(base);
  equal(ws.protocol, 'echo', 'subprotocol');
  equal(ws.extensions, '', 'compression is offered and declined');
  const data = Buffer.alloc(1 << 20);
  for (let i = 0; i < data.length; i++) data[i] = 32 + (i % 95);
  for (const size of SIZES) {
    for (const binary of [false, true]) {
      ws.send(data.subarray(0, size), { binary });
      const [got, isBinary] = await once(ws, 'message');
      equal(isBinary, binary, `kind of ${size}`);
      assert.ok(got.equals(data.subarray(0, size)), `echo of ${size}`);
    }
  }
  ws.send('grü', { fin: false });
  ws.ping('between');
  ws.send('ße ', { fin: false });
  ws.send('\u{1f920}', { fin: true });
  const [[pong], [text]] = await Promise.all([once(ws, 'pong'), once(ws, 'message')]);
  equal(String(pong), 'between', 'pong');
  equal(String(text), 'grüße \u{1f920}', 'fragments');
  ws.close(4321, 'all seen');
  equal((await once(ws, 'close'))[0], 4321, 'close code comes back');
}

async function faults(base) {
  const large = await opened(base);
  large.send('x'.repeat((1 << 20) + 1));
  equal((await once(large, 'close')).map(String), ['1009', 'message too large'], 'too large');

  const bad = await opened(base);
  bad.send(Buffer.from([0xc0, 0xaf]), { binary: false });
  equal((await once(bad, 'close')).map(String), ['1007', 'text is not UTF-8'], 'bad UTF-8');

  const bare = await opened(base);
  bare.send('x', { mask: false });
  equal((await once(bare, 'close')).map(String), ['1002', 'frame not masked'], 'not masked');
}

async function many(base) {
  const all = await Promise.all(Array.from({ length: 50 }, () => opened(base)));
  await Promise.all(all.map(async (ws, n) => {
    for (let i = 0; i < 20; i++) {
      ws.send(`${n} ${i}`);
      assert.equal(String((await once(ws, 'message'))[0]), `${n} ${i}`);
    }
    ws.close();
    equal((await once(ws, 'close'))[0], 1005, 'close without a code');
  }));
}

async function ourServer(tls) {
  const child = spawn(program, ['server', ...(tls ? [cert, key] : [])]);
  const end = outcome(child);
  const port = String((await once(child.stdout, 'data'))[0]).match(/port (\d+)/)[1];
  const base = `${tls ? 'wss' : 'ws'}://localhost:${port}`;
  try {
    await echoes(base);
    await faults(base);
    await many(base);
    const get = (tls ? https : http).get(`${base.replace('ws', 'http')}/stop`,
      tls ? { ca: readFileSync(cert) } : {});
    (await once(get, 'response'))[0].resume();
  } catch (error) {
    child.kill();
    throw error;
  }
  const [out, err, code] = await end;
  assert.equal(code, 0, err);
  equal(out.match(/^closed \d+/gm).length, 54, 'each connection told of its end once');
  assert.match(out, /^closed 4321 all seen$/m);
}

try {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=test', '-addext',
    'subjectAltName=DNS:localhost'], { stdio: 'pipe' });
  for (const tls of [false, true]) {
    await ourClient(tls);
    await ourServer(tls);
  }
  console.log(`${checks} checks, ok`);
} finally {
  rmSync(dir, { recursive: true });
}

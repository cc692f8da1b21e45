// A call through the reverse proxies of deploy/, as they are there but for name, port, certificate:
// webhooks signed for the public name, the stream over TLS, frames neither late nor lost; and what
// is not Twilio's business stays inside. A proxy that is not installed is left out, and said.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { ROOT, TOKEN, freePort, main, until } from '../lib/lab.mjs';

const installed = (name) => spawnSync(name, ['-v'], { stdio: 'ignore' }).error === undefined;

function certificate(dir) {
  const [key, cert] = [join(dir, 'privkey.pem'), join(dir, 'fullchain.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key, cert };
}

/** The text with every pair replaced; each must be there. */
function adapt(text, pairs) {
  for (const [from, to] of pairs) {
    assert.ok(text.includes(from), `deploy/ says ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const proxies = {
  nginx(dir, { key, cert }, port, upstream) {
    const site = adapt(readFileSync(join(ROOT, 'deploy/nginx.conf'), 'utf8'), [
      ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
      [`    listen [::]:443 ssl;\n`, ''],
      ['server_name voice.example.com', 'server_name localhost'],
      ['/etc/ssl/callee/fullchain.pem', cert],
      ['/etc/ssl/callee/privkey.pem', key],
      ['server 127.0.0.1:8080', `server 127.0.0.1:${upstream}`],
    ]);
    const whole = `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
      events {} http { access_log ${dir}/access.log; client_body_temp_path ${dir}/b;
      proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u;
      scgi_temp_path ${dir}/s;\n${site}\n}`;
    writeFileSync(join(dir, 'nginx.conf'), whole);
    return ['nginx', ['-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')]];
  },
  caddy(dir, { key, cert }, port, upstream) {
    const site = adapt(readFileSync(join(ROOT, 'deploy/Caddyfile'), 'utf8'), [
      ['voice.example.com {', `https://localhost:${port} {\n\ttls ${cert} ${key}\n`],
      ['reverse_proxy 127.0.0.1:8080', `reverse_proxy 127.0.0.1:${upstream}`],
    ]);
    writeFileSync(join(dir, 'Caddyfile'), `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`);
    return ['caddy', ['run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile']];
  },
};

function get(port, path, ca) {
  return new Promise((done, fail) => {
    const r = request({ host: 'localhost', port, path, ca, family: 4 }, (a) => {
      a.resume();
      a.on('end', () => done(a.statusCode));
    });
    r.on('error', fail);
    r.end();
  });
}

async function through(lab, name) {
  const dir = lab.path(name);
  mkdirSync(dir);
  const pair = certificate(dir);
  const ca = readFileSync(pair.cert);
  const port = await freePort();
  const url = `https://localhost:${port}`;
  const provider = await lab.provider();
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--demo-dir', lab.terse(), '--public-url', url, '--trusted-proxies', '127.0.0.1']);
  const [program, args] = proxies[name](dir, pair, port, server.port);
  const proxy = spawn(program, args, { env: { ...process.env, HOME: dir }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  proxy.stderr.on('data', (d) => (said += d));
  try {
    await until(`${name} to answer`, async () => {
      assert.equal(proxy.exitCode, null, said);
      return (await get(port, '/api/health', ca).catch(() => 0)) === 200;
    }, 15000);
    const [direct] = await lab.dial(server, ['--say', 'Hello there, how are you?']);
    assert.match(direct.trouble, /HTTP 403/, 'not signed for the public name');

    const [report] = await lab.dial({ url }, ['--ca-file', pair.cert, '--say', 'What are your opening hours?',
      '--interrupt-after', '700', '--say', 'Wait, what about Saturday?', '--say', 'Thank you, goodbye.']);
    assert.ok(report.ok, JSON.stringify(report));
    const [call] = (await lab.calls(server.data)).filter((c) => c.endedAtMs > 0).slice(-1);
    assert.ok(call.turns.filter((t) => t.role === 'assistant').length >= 2, JSON.stringify(call.turns));
    assert.ok(call.turns.some((t) => t.interrupted), 'the interruption was noticed');
    assert.match(server.log, new RegExp(`stream_closed .*gaps=0 dropped=0`));

    for (const path of ['/metrics', '/', '/api/twilio/../../metrics'])
      assert.ok([403, 404].includes(await get(port, path, ca)), `${path} stays inside`);
    assert.equal(await get(port, '/api/twilio/voice', ca), 403, 'unsigned');
    console.log(`${name}: ${JSON.stringify(call.turns.map((t) => t.heardFirstMs).filter((x) => x >= 0))} ms to each answer`);
  } finally {
    proxy.kill('SIGTERM');
  }
  await server.stop();
}

main(async (lab) => {
  for (const name of Object.keys(proxies)) {
    if (installed(name)) await through(lab, name);
    else console.log(`${name} is not installed: left out`);
  }
});

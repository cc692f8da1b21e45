// `callee import` of files and of pages from a real web server, and `callee search` afterwards.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { main, until } from '../lib/lab.mjs';

const PAGE_BYTES_MAX = 16 << 20;

/** A site with every way of going wrong. */
async function site() {
  const html = (title, text) => `<html><head><title>${title}</title></head><body><p>${text}</p></body></html>`;
  const routes = {
    '/care': (q, r) => r.setHeader('content-type', 'text/html; charset=iso-8859-1')
      .end(Buffer.from(html('Care', 'Brush nubuck with a cr\u00eape brush.'), 'latin1')),
    '/moved': (q, r) => r.writeHead(302, { location: '/care' }).end(),
    '/round': (q, r) => r.writeHead(302, { location: '/round' }).end(),
    '/file': (q, r) => r.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/faq.csv': (q, r) => r.setHeader('content-type', 'text/plain')
      .end('question,answer\nDo you dye saddles?,"Yes, in twelve colours."\n'),
    '/picture': (q, r) => r.setHeader('content-type', 'image/png').end('x'),
    '/bomb': (q, r) => r.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' })
      .end(gzipSync(Buffer.alloc(PAGE_BYTES_MAX + 1, 'a '))),
    '/empty': (q, r) => r.setHeader('content-type', 'text/html').end('<nav>Home</nav>'),
  };
  const server = createServer((q, r) => (routes[q.url] ?? ((_, a) => a.writeHead(404).end()))(q, r));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** An embedding service that knows two topics. Answers as it is asked: base64 or numbers. */
async function embedder(key) {
  const asked = [];
  const server = createServer(async (q, r) => {
    const body = JSON.parse(Buffer.concat(await q.toArray()).toString());
    assert.equal(q.url, '/v1/embeddings');
    assert.equal(q.headers.authorization, `Bearer ${key}`);
    asked.push(...body.input);
    const data = body.input.map((text, index) => {
      const v = Float32Array.of(/xylophone|glockenspiel/i.test(text) ? 1 : 0.01, /saddle|horse/i.test(text) ? 1 : 0.01, 0.1);
      const embedding = body.encoding_format === 'base64' ? Buffer.from(v.buffer).toString('base64') : [...v];
      return { object: 'embedding', index, embedding };
    });
    r.setHeader('content-type', 'application/json').end(JSON.stringify({ object: 'list', model: body.model, data,
      usage: { prompt_tokens: 1, total_tokens: 1 } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/v1`, asked, close: () => server.close() };
}

await main(async (lab) => {
  const model = await embedder('sk-embed-0123456789');
  const by = ['--embedding-url', model.url, '--embedding-key', 'sk-embed-0123456789'];
  const server = await lab.serve(['--engine', 'local', ...by]);
  const args = ['--business', 'pecos', '--data', server.data];
  const add = (sources, code = 0) => lab.run(['import', ...args, ...sources], { code });
  const ask = async (question) => (await lab.run(['search', ...args, question])).out;

  const note = lab.path('note.md');
  writeFileSync(note, '# Xylophones\n\nWe tune xylophones on Tuesdays.\n');
  assert.match((await add([note])).out, /^note\.md: 1 passages$/m);
  assert.match(await ask('When do you tune a xylophone?'), /^1\. Xylophones\n.*from note\.md/);
  writeFileSync(note, '# Xylophones\n\nWe tune xylophones on Fridays.\n');
  await add([note]);
  const again = await ask('When do you tune a xylophone?');
  assert.ok(again.includes('Fridays') && !again.includes('Tuesdays'), again);
  writeFileSync(note, '');
  assert.match((await add([note], 1)).err, /note\.md: there is no text in it/);
  assert.match(await ask('When do you tune a xylophone?'), /Fridays/); // what was known stays

  // The running server gives new passages their vectors; meaning finds what no word does.
  const question = 'glockenspiel';
  assert.ok(!(await ask(question)).includes('Xylophones'), 'no word of it is there');
  const found = await until('a passage found by meaning', async () => {
    const { out } = await lab.run(['search', ...args, ...by, question]);
    return /^1\. Xylophones\n/.test(out);
  });
  assert.ok(found && model.asked.some((text) => text.startsWith('Xylophones\n')));
  assert.ok(!server.err.includes('sk-embed'), 'the key is not logged');

  const web = await site();
  const at = (path) => [`${web.url}${path}`, '--allow-private'];
  assert.match((await add([`${web.url}/care`], 1)).err, /not on the public internet/);
  assert.match((await add(at('/moved'))).out, /moved: 1 passages/);
  assert.match(await ask('nubuck'), /1\. Care\n[^]*cr\u00eape brush/);
  await add(at('/faq.csv'));
  assert.match(await ask('can you dye my saddle'), /twelve colours/);
  const refused = [['/round', /more than 5 redirects/], ['/file', /cannot be fetched/],
    ['/nowhere', /no such page \(status 404\)/], ['/picture', /cannot read what the server calls image\/png/],
    ['/bomb', /more than 16777216 bytes/], ['/empty', /there is no text in it/]];
  for (const [path, words] of refused) {
    const { err } = await add(at(path), 1);
    assert.match(err, words);
    console.log(err.trim().replace(web.url, ''));
  }
  assert.match((await add([lab.path('no.pdf')], 1)).err, /No such file/);
  assert.match((await lab.run(['import', '--business', 'nobody', '--data', server.data, note], { code: 2 })).err,
    /no business "nobody"/);
  web.close();
  model.close();
  await lab.finish(server);
});

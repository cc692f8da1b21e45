// `replay --verify` finds a changed decision. Real calls are placed to callee; then programs whose
// call/ has one bug each (bugs/*.sed) must disagree with the journals, each at the decision it spoils.
// Usage: node test.mjs [DIR with callee_bug_NAME]
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../lib/lab.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const built = process.argv[2];

const run = (program, args) => new Promise((resolve) => execFile(program, args, (error, out, err) =>
  resolve({ code: error ? error.code : 0, text: out + err })));

/** Two journals with what the bugs are about: distance, an announcement talked over, a cut. */
async function record(lab) {
  const provider = await lab.provider();
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--demo-dir', lab.terse({ announcement: {
      text: 'You are speaking with an automatic assistant, and this call is being recorded.' } })]);
  const [near, far] = await Promise.all([
    lab.dial(server, ['--interrupt-after', '300', '--say', 'Hello? I have a question about boots.',
      '--say', 'What are your opening hours?',
      '--interrupt-after', '900', '--say', 'Wait, stop, something else please.']),
    lab.dial(server, ['--rtt', '160', '--say', 'What are your opening hours?',
      '--interrupt-after', '900', '--say', 'Wait, stop, something else please.']),
  ]);
  // Who talks over an announcement cannot tell its end from the beginning of an answer.
  assert.match(near[0].trouble ?? 'a turn was not answered', /^a turn was not answered$/);
  assert.equal(far[0].ok, true, JSON.stringify(far));
  for (const [report] of [near, far])
    assert.equal(report.clears.length, 1, `the agent was cut once: ${JSON.stringify(report)}`);
  assert.equal((await lab.finish(server)).journals, 2);
  const seen = await provider.figures();
  assert.equal(seen.violationCount, 0, JSON.stringify(seen.violations));
  return lab.journals(server.data);
}

async function checkBug(file, journals) {
  const name = basename(file, '.sed');
  const what = readFileSync(join(HERE, 'bugs', file), 'utf8').match(/^# (\S+) - (.*)$/m);
  const got = await run(join(built, `callee_bug_${name}`), ['replay', '--verify', ...journals]);
  assert.equal(got.code, 1, `${name}: ${what[2]}: not found\n${got.text}`);
  const where = got.text.match(/: (input \d+ \(.*?\)) has other effects/);
  assert.ok(where, got.text);
  console.log(`${what[1]} ${what[2]}: found at ${where[1]}`);
}

/** Without a journal a call goes the same way and leaves none. */
async function unrecorded(lab) {
  const provider = await lab.provider();
  const server = await lab.serve(['--engine', 'realtime', '--provider-url', provider.url,
    '--journal=false', '--demo-dir', lab.terse()]);
  const [report] = await lab.dial(server, ['--say', 'What are your opening hours?']);
  assert.equal(report.ok, true, JSON.stringify(report));
  const { calls, journals } = await lab.finish(server);
  assert.deepEqual([calls.length, journals], [1, 0], 'a row, and no journal');
}

await main(async (lab) => {
  await unrecorded(lab);
  const journals = await record(lab);
  const bugs = built ? readdirSync(join(HERE, 'bugs')).filter((f) => f.endsWith('.sed')) : [];
  for (const bug of bugs) await checkBug(bug, journals);
  console.log(`${journals.length} journals replay; ${bugs.length} seeded bugs found`);

  // What a disk spoiled is told, and not taken for equal.
  const bytes = readFileSync(journals[0]);
  bytes[bytes.indexOf('session.update')] ^= 1;
  const spoiled = lab.path('spoiled.jrn');
  writeFileSync(spoiled, bytes);
  const told = await lab.run(['replay', '--verify', spoiled], { code: null });
  assert.match(told.out + told.err, /damaged/);
  assert.doesNotMatch(told.out, /: equal$/m);
});

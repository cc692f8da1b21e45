// kill -9 in the middle of ten calls that nobody comes back to: after a restart every call is closed,
// with its transcript and its sound up to a quarter of a second before the end, and every journal
// replays. Calls that go on: ../resume.
// CALLEE_E2E_ROUNDS=N kills N times (2), CALLEE_E2E_SEED=N repeats the moments of another run.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readJournal } from '../lib/journal.mjs';
import { main, until } from '../lib/lab.mjs';
import { Stereo, writeHum } from '../lib/sound.mjs';

const TALKERS = 7; // they ask and listen, and interrupt
const HUMMERS = 3; // they are never silent, so that sound up to the end can be told from none
const CALLS = TALKERS + HUMMERS;
const LOST_MS_MAX = 250;
const HUMMER = '+15055550177';
const rounds = Number(process.env.CALLEE_E2E_ROUNDS ?? 2);
let seed = Number(process.env.CALLEE_E2E_SEED ?? Date.now() % 1000000);

function random() { // mulberry32
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function dialAll(lab, server, hum) {
  const talk = ['--say', 'Hello, what are your opening hours today?', '--interrupt-after', '900',
    '--say', 'Wait, I have another question. How much is shipping?',
    '--say', 'And what if I want to return a pair of boots to you?',
    '--say', 'Do you also sell hats and belts in your store?',
    '--say', 'Thank you very much, that is all I wanted to know.'];
  return [
    lab.start(lab.dialArgs(server, ['--calls', String(TALKERS), '--spread', '300', ...talk])),
    lab.start(lab.dialArgs(server, ['--calls', String(HUMMERS), '--spread', '300', '--from', HUMMER,
      '--wav', hum])),
  ];
}

/** What one call left behind. */
async function checkCall(lab, server, call, killedAt, figures) {
  assert.ok(call.endedAtMs > 0, `${call.id} is closed`);
  assert.ok(call.turns.length > 0, `${call.id} has turns`);
  assert.ok(call.turns.some((t) => t.role === 'assistant' && t.text), `${call.id} has words`);
  const file = join(server.data, 'journals', `${call.id}.jrn`);
  const { lastWallMs } = readJournal(file);
  const lost = killedAt - lastWallMs;
  assert.ok(lost <= LOST_MS_MAX, `${call.id}: the last record is ${lost} ms before the kill`);
  figures.lost.push(lost);

  const wav = lab.path(`${call.id}.wav`);
  const json = lab.path(`${call.id}.json`);
  const told = await lab.run(['journal', 'export', file, '--wav', wav, '--json', json, '--text']);
  const sound = new Stereo(wav);
  const ran = killedAt - call.startedAtMs;
  figures.sound.push(ran - sound.ms);
  assert.ok(sound.level(1) > 100, `${call.id}: the agent is heard in ${wav}`);
  assert.ok(told.out.includes('Hello. How can I help you?'), told.out);
  return sound;
}

async function round(lab, number, hum) {
  const provider = await lab.provider();
  const args = ['--engine', 'realtime', '--provider-url', provider.url, '--demo-dir', lab.terse(),
    '--show-calls', '--resume-window', '0'];
  const server = await lab.serve(args);
  const dialers = dialAll(lab, server, hum);
  await until('ten calls in their streams', () =>
    server.log.match(/engine\.ready/g)?.length === CALLS);
  await server.line(/ caller  Caller turn 1/);
  // From here on any moment will do.
  const wait = Math.floor(random() * 9000);
  await new Promise((done) => setTimeout(done, wait));
  const killedAt = Date.now();
  await server.kill();
  for (const d of dialers) await d.exited;

  const again = await lab.serve(args, { data: server.data });
  await again.line(new RegExp(`server.recovered calls=${CALLS} resumable=0`));
  const calls = await lab.calls(server.data);
  assert.equal(calls.length, CALLS);
  const figures = { lost: [], sound: [] };
  let asked = 0;
  for (const call of calls) {
    const sound = await checkCall(lab, again, call, killedAt, figures);
    if (call.from === HUMMER)
      assert.ok(sound.level(0, sound.ms - 200) > 1000, `${call.id}: heard up to the end`);
    else if (call.turns.some((t) => t.role === 'user')) asked++;
    assert.ok(sound.loudMs(0) > 500, `${call.id}: the caller is heard`);
  }
  assert.ok(asked > 0, 'somebody had asked something');
  const { journals } = await lab.finish(again);
  assert.equal(journals, CALLS);
  const seen = await provider.figures();
  assert.equal(seen.violationCount, 0, JSON.stringify(seen.violations));
  const worst = (list) => Math.max(...list).toFixed(0);
  console.log(`round ${number}: killed ${wait} ms after a first turn, ten calls; all closed; last ` +
    `record at most ${worst(figures.lost)} ms before the kill, sound ${worst(figures.sound)} ms ` +
    `short of it (ringing included); ${journals} journals replay`);
}

await main(async (lab) => {
  console.log(`seed ${seed}`);
  const hum = lab.path('hum.wav');
  writeHum(hum, 60000);
  for (let i = 1; i <= rounds; i++) await round(lab, i, hum);
});

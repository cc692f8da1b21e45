// The offline engine on real speech: the demonstration's own conversation; questions to the demo
// business in other words than its own, by another voice; recorded human prompts to a business that
// knows their sentences.
//   CALLEE_E2E_PHRASES=N   questions of demo/heldout.tsv (8; all with "all")
//   CALLEE_E2E_PROMPTS=N   recorded prompts (16; all with "all")
//   PROMPTS_TSV=FILE       other prompts: key, file below the sounds folder, words
//   CALLEE_E2E_ONLY=demo|phrases|words   one part
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, main, pooled } from '../lib/lab.mjs';
import { Stereo } from '../lib/sound.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SOUNDS = '/usr/share/asterisk/sounds';
const WIDTH = 4; // calls at once: a talker costs a tenth of a core, and others share the machine
const RIGHT_MIN = 0.75;
const WER_MAX = 0.12;
const HEARD_MS_MAX = 60; // between what was heard and what the server thinks was heard

const table = (path) => readFileSync(path, 'utf8').split('\n')
  .filter((l) => l && !l.startsWith('#')).map((l) => l.split('\t'));

/** N of a list, spread over all of it. */
function some(list, wanted, otherwise) {
  const n = wanted === 'all' ? list.length : Math.min(Number(wanted ?? otherwise), list.length);
  return Array.from({ length: n }, (_, i) => list[Math.floor(i * list.length / n)]);
}

const words = (text) => text.toLowerCase().replace(/[^a-z0-9' ]/g, ' ').split(/\s+/).filter(Boolean);
const holds = (text, phrase) => ` ${words(text).join(' ')} `.includes(` ${words(phrase).join(' ')}`);

// -- the conversation of `make demo` --

const QUESTIONS = [
  ['What are your opening hours on Saturday?', ['saturday', 'nine', 'five']],
  ['How much does shipping cost?', ['shipping', 'seven', 'free']],
  ['What is your return policy?', ['return', 'thirty days']],
];

/** The agent's words between two of the caller's turns. */
function answers(call) {
  const all = [];
  for (const t of call.turns) {
    if (t.role === 'user') all.push('');
    else if (t.role === 'assistant' && all.length) all[all.length - 1] += ` ${t.text}`;
  }
  return all;
}

async function demo(lab) {
  const server = await lab.serve(['--engine', 'local']);
  const heard = lab.path('heard.wav');
  const [report] = await lab.dial(server, [...QUESTIONS.flatMap(([q]) => ['--say', q]),
    '--say', 'Do you repair boots?', '--interrupt-after', '1500',
    '--say', 'Thank you, that is all. Goodbye.', '--save', heard]);
  const call = await lab.callOf(server, report.call_sid);
  const told = JSON.stringify({ report, turns: call.turns }, null, 1);
  assert.equal(report.ok, true, told);
  const got = answers(call);
  QUESTIONS.forEach(([question, keys], i) => {
    for (const key of keys) assert.ok(holds(got[i] ?? '', key), `${question} "${key}"\n${told}`);
  });
  const [cut] = report.interruptions;
  assert.ok(cut?.honoured, told);
  const turn = call.turns.find((t) => t.interrupted);
  assert.ok(turn, told);
  const off = turn.heardMs - cut.heard_ms_truth;
  assert.ok(Math.abs(off) <= HEARD_MS_MAX, `heard: off by ${off} ms\n${told}`);
  assert.match(call.turns.at(-1).text, /goodbye/i, told);
  assert.equal(report.ended_by, 'agent', told);
  assert.equal(report.unheard_at_close_ms, 0, 'the goodbye was heard');

  const { journals } = await lab.finish(server);
  assert.equal(journals, 1);
  const wav = lab.path('both.wav');
  await lab.run(['journal', 'export', lab.journals(server.data)[0], '--wav', wav]);
  const sound = new Stereo(wav);
  const [caller, agent] = [sound.loudMs(0), sound.loudMs(1)];
  assert.ok(caller > 4000 && agent > 15000, `${caller} ms of the caller, ${agent} ms of the agent`);
  assert.ok(Math.abs(sound.ms - report.duration_ms) < 500, `${sound.ms} of ${report.duration_ms} ms`);
  const late = report.turns.map((t) => t.latency_ms).filter((ms) => ms > 0);
  console.log(`demo: ${call.turns.length} turns; answers after ${late.join(', ')} ms; interrupted: silent ` +
    `after ${cut.silence_after_ms} ms, ${cut.heard_ms_truth} ms heard, ${turn.heardMs} ms by the ` +
    `server; recording: caller ${caller} ms, agent ${agent} ms of sound`);
}

// -- other words, another voice --

async function phrases(lab) {
  const rows = some(table(join(ROOT, 'demo/heldout.tsv')), process.env.CALLEE_E2E_PHRASES, 8);
  const server = await lab.serve(['--engine', 'local', '--demo-dir', lab.terse()]);
  const results = await pooled(rows, WIDTH, async ([phrase, title, keys]) => {
    const [report] = await lab.dial(server, ['--voice', 'rms', '--say', phrase]);
    const call = await lab.callOf(server, report.call_sid);
    const said = answers(call).join(' ').trim();
    const right = keys.split(',').every((k) => holds(said, k));
    const heard = call.turns.filter((t) => t.role === 'user').map((t) => t.text).join(' / ');
    console.log(`${right ? 'right' : 'WRONG'}  ${phrase}\n       heard: ${heard}\n       said:  ${said}` +
      `${right ? '' : `\n       (${title}: ${keys})`}`);
    return right;
  });
  await lab.finish(server);
  const right = results.filter((r) => r).length;
  console.log(`phrases: ${right} of ${rows.length} right`);
  assert.ok(right >= rows.length * RIGHT_MIN, `${right} of ${rows.length} right`);
}

// -- recorded people --

/** Insertions, deletions and substitutions from one list of words to another. */
function distance(want, got) {
  let row = got.map((_, j) => j + 1);
  row.unshift(0);
  for (let i = 1; i <= want.length; i++) {
    const next = [i];
    for (let j = 1; j <= got.length; j++)
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (want[i - 1] !== got[j - 1]));
    row = next;
  }
  return row[got.length];
}

async function recorded(lab) {
  const prompts = table(process.env.PROMPTS_TSV ?? join(HERE, 'prompts.tsv'))
    .map((c) => ({ key: c[0], file: join(SOUNDS, c[1]), text: c.at(-1) }));
  for (const p of prompts)
    assert.ok(existsSync(p.file), `${p.file} is missing: install asterisk-core-sounds-en-wav`);
  const dir = lab.business('prompts', {
    config: { announcement: null, recording: { enabled: false }, after_hours: null, opening_hours: null,
      holidays: null, greeting_message: { text: 'Hello.' } },
    passages: prompts.map((p) => ({ title: p.text, category: 'prompts', content: `${p.text}.` })),
  });
  const server = await lab.serve(['--engine', 'local', '--demo-dir', dir]);
  const chosen = some(prompts, process.env.CALLEE_E2E_PROMPTS, 16);
  const results = await pooled(chosen, WIDTH, async (p) => {
    const [report] = await lab.dial(server, ['--wav', p.file, '--first-settle', '800']);
    const call = await lab.callOf(server, report.call_sid);
    const heard = call.turns.filter((t) => t.role === 'user').map((t) => t.text).join(' ');
    const wrong = distance(words(p.text), words(heard));
    if (wrong) console.log(`${basename(p.file)}: ${wrong} wrong\n    said:  ${p.text}\n    heard: ${heard}`);
    return { wrong, count: words(p.text).length };
  });
  await lab.finish(server);
  const sum = (key) => results.reduce((a, r) => a + r[key], 0);
  const rate = sum('wrong') / sum('count');
  console.log(`words: ${sum('wrong')} of ${sum('count')} wrong in ${chosen.length} prompts: ` +
    `${(rate * 100).toFixed(1)} %`);
  assert.ok(rate <= WER_MAX, `${(rate * 100).toFixed(1)} % of the words`);
}

await main(async (lab) => {
  const parts = { demo, phrases, words: recorded };
  const only = process.env.CALLEE_E2E_ONLY;
  for (const [name, part] of Object.entries(parts)) if (!only || only === name) await part(lab);
});

// Calls that `callee dial` places and a real Realtime provider answers, through callee.
import assert from 'node:assert/strict';

/** One call with these steps: the caller's report, what the store and the journal have of it. */
async function call(lab, cost, limitUsd, steps) {
  const env = { OPENAI_API_KEY: process.env.OPENAI_API_KEY };
  for (const name of ['CALLEE_PROVIDER_URL', 'CALLEE_PROVIDER_MODEL'])
    if (process.env[name]) env[name] = process.env[name];
  const server = await lab.serve(['--engine', 'realtime', '--max-local-calls', '0', '--demo-dir',
    lab.terse(), '--max-cost', String(limitUsd), '--max-duration', '90s'], { env });
  try {
    const [report] = await lab.dial(server, steps);
    const row = await lab.callOf(server, report.call_sid);
    cost.usd += row.costMicroUsd / 1e6;
    assert.ok(report.ok, `the caller: ${report.trouble || JSON.stringify(report)}\n${server.log.slice(-1500)}`);
    const { out } = await lab.run(['journal', 'print', row.id, '--data', server.data]);
    const errors = out.split('\n').filter((l) => l.includes('"type":"error"'));
    assert.deepEqual(errors, [], 'the provider refused nothing');
    assert.ok(row.costMicroUsd > 0, 'usage was reported and priced');
    await lab.verify(server.data);
    return { report, row, journal: out };
  } finally {
    await server.stop();
  }
}

const said = (row, role) => row.turns.filter((t) => t.role === role && t.text);
const latencies = (row) => row.turns.map((t) => t.heardFirstMs).filter((ms) => ms >= 0);

export const openai = [
  {
    name: 'openai: a spoken turn, its transcription, a tool',
    needs: ['OPENAI_API_KEY'],
    limitUsd: 0.15,
    async run(lab, cost, limitUsd) {
      const { row } = await call(lab, cost, limitUsd, ['--say', 'What are your opening hours on Saturday?']);
      assert.ok(said(row, 'assistant').length >= 2, `greeting and answer: ${JSON.stringify(row.turns)}`);
      const caller = said(row, 'user').map((t) => t.text).join(' ');
      assert.match(caller, /hour|open|saturday/i, 'the transcription');
      const tool = row.tools.find((t) => t.name === 'query_knowledge_base');
      assert.ok(tool?.ok, `the tool ran: ${JSON.stringify(row.tools)}`);
      return `"${caller}" was answered after ${latencies(row).join(', ')} ms, ${row.tokensIn} tokens in, ${row.tokensOut} out`;
    },
  },
  {
    name: 'openai: an interruption is truncated to what was heard',
    needs: ['OPENAI_API_KEY'],
    limitUsd: 0.15,
    async run(lab, cost, limitUsd) {
      const { row, journal } = await call(lab, cost, limitUsd, [
        '--say', 'Please tell me everything about your return policy.', '--interrupt-after', '1500',
        '--say', 'Wait, stop. How much does shipping cost?']);
      const cut = row.turns.find((t) => t.role === 'assistant' && t.interrupted);
      assert.ok(cut, `an answer was cut: ${JSON.stringify(row.turns)}`);
      assert.ok(journal.includes('conversation.item.truncated'), 'the truncation was accepted');
      return `cut at ${cut.heardMs} ms of what was said`;
    },
  },
];

// Backups of a server with calls coming and going: each of them restores to a folder on which a
// server starts, with every call that had ended, whole, and those in progress as far as they were
// on disk, ended as after a crash.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { main, until } from '../lib/lab.mjs';

const CALLS = 12;
const LOST_MS_MAX = 1500; // the last sync, and what the backup itself takes

main(async (lab) => {
  const provider = await lab.provider();
  const args = ['--engine', 'realtime', '--provider-url', provider.url, '--demo-dir', lab.terse()];
  const server = await lab.serve(args);
  const churn = lab.start(lab.dialArgs(server, ['--calls', String(CALLS), '--spread', '500',
    '--say', 'What are your opening hours?', '--say', 'And on Saturday?']));
  await until('a finished call', () => lab.journals(server.data).length > 0);

  // One after the other into the same folder, as fast as they go, while calls begin and end.
  const folder = lab.path('backup');
  let backups = 0;
  let live = 0;
  for (; backups === 0 || churn.running; backups++) {
    live = (await lab.healthy(server)).calls.live;
    await lab.run(['backup', folder, '--data', server.data]);
    if (live >= 3 && lab.journals(server.data).length >= 6) break;
  }
  const at = Date.now();
  assert.ok(live >= 3, `calls were in progress (${live})`);
  const ended = (await lab.calls(server.data)).filter((c) => c.endedAtMs > 0 && c.endedAtMs < at - LOST_MS_MAX);
  assert.ok(ended.length > 0, 'calls had ended');
  const checked = await lab.run(['restore', folder, '--check']);
  assert.match(checked.out, /, 0 damaged$/m);

  const data = lab.path('restored');
  await lab.run(['restore', folder, '--data', data]);
  await lab.run(['restore', folder, '--data', data], { code: 2 }); // not a second time
  const again = await lab.serve(args, { data });
  const calls = await until('the calls cut off to be closed', async () => {
    const list = await lab.calls(data);
    return list.every((c) => c.endedAtMs > 0) && list;
  });
  for (const c of ended) {
    const copy = calls.find((x) => x.id === c.id);
    assert.ok(copy, `${c.id} is there`);
    assert.deepEqual(copy.turns, c.turns, `${c.id} has its turns`);
    const size = (dir) => statSync(join(dir, 'journals', `${c.id}.jrn`)).size;
    assert.equal(size(data), size(server.data), `${c.id} has its journal`);
  }
  const cut = calls.filter((c) => c.endReason === 'server restarted');
  assert.ok(cut.length >= 1, 'calls in progress are there');
  for (const c of cut) {
    const lost = at - c.endedAtMs;
    assert.ok(lost <= LOST_MS_MAX, `${c.id} is kept up to ${lost} ms before the backup's end`);
  }
  console.log(`${backups} backups; the last with ${live} calls in progress: ${ended.length} ended ones whole, ` +
    `${cut.length} cut off ${Math.min(...cut.map((c) => at - c.endedAtMs))} to ` +
    `${Math.max(...cut.map((c) => at - c.endedAtMs))} ms before its end`);
  await lab.finish(again);
  await churn.exited;
  await lab.finish(server);
});

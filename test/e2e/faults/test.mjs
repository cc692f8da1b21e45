// Everything that can go wrong around a call, one row each: what the caller got, and what the log
// says. CALLEE_E2E_ONLY=words plays the rows whose names contain them.
import { main } from '../lib/lab.mjs';
import { doorFaults } from './door.mjs';
import { engineFaults } from './engines.mjs';

await main(async (lab) => {
  const only = process.env.CALLEE_E2E_ONLY ?? '';
  const rows = (await doorFaults(lab, only)) + (await engineFaults(lab, only));
  console.log(`${rows} rows as they should be`);
});

// The live tests: what is spent is added up from usage and prices, printed, and kept under a budget.
import { main } from '../e2e/lib/lab.mjs';
import { openai } from './openai.mjs';
import { twilio } from './twilio.mjs';

const budget = Number(process.env.LIVE_BUDGET_USD ?? 0.5);
let spent = 0;

const tests = [...openai, ...twilio];

main(async (lab) => {
  if (!(budget >= 0)) throw new Error('LIVE_BUDGET_USD is no amount');
  console.log(`budget $${budget.toFixed(2)}; a test is only begun while its limit fits into the rest`);
  let ran = 0;
  const failed = [];
  for (const t of tests) {
    const missing = t.needs.filter((name) => !process.env[name]);
    if (missing.length) {
      console.log(`skipped  ${t.name}: ${missing.join(', ')} not set`);
    } else if (spent + t.limitUsd > budget) {
      console.log(`skipped  ${t.name}: may cost $${t.limitUsd.toFixed(2)}, ` +
        `$${(budget - spent).toFixed(4)} of the budget are left`);
    } else {
      const cost = { usd: 0 };
      let result = 'ok      ';
      let said = '';
      try {
        said = await t.run(lab, cost, t.limitUsd);
      } catch (error) {
        result = 'FAILED  ';
        said = String(error.message).slice(0, 2000);
        failed.push(t.name);
      }
      ran++;
      spent += cost.usd;
      console.log(`${result} ${t.name}: ${said} [$${cost.usd.toFixed(4)}]`);
    }
  }
  console.log(ran ? `${ran} run, ${failed.length} failed, $${spent.toFixed(4)} spent of $${budget.toFixed(2)}`
    : 'all skipped: no keys');
  if (failed.length) throw new Error(`failed: ${failed.join(', ')}`);
});

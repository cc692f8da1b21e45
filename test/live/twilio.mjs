// Twilio's REST API with a real account: looking is free; placing a call is asked for.
import assert from 'node:assert/strict';
import { until } from '../e2e/lib/lab.mjs';

// Twilio's list price of a minute to a number of the United States, for when the call's own price is
// not there yet (it comes minutes later).
const USD_A_MINUTE = 0.014;
const CALL_SECONDS_MAX = 120;

const env = () => Object.fromEntries(Object.entries(process.env)
  .filter(([k]) => ['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN', 'TWILIO_API_URL', 'CALLEE_PUBLIC_URL'].includes(k)));

async function callResource(sid) {
  const { TWILIO_ACCOUNT_SID: account, TWILIO_AUTH_TOKEN: token } = process.env;
  const base = process.env.TWILIO_API_URL ?? 'https://api.twilio.com';
  const answer = await fetch(`${base}/2010-04-01/Accounts/${account}/Calls/${sid}.json`, {
    headers: { authorization: `Basic ${Buffer.from(`${account}:${token}`).toString('base64')}` },
  });
  assert.equal(answer.status, 200, 'GET of the call');
  return answer.json();
}

async function doctor(lab, args, topic) {
  const p = await lab.run(['doctor', '--data', lab.path('doctor'), '--engine', 'local', ...args],
    { env: env(), code: null });
  const line = p.out.split('\n').find((l) => l.slice(6).startsWith(topic));
  assert.ok(line?.startsWith('ok'), `doctor says: ${line ?? p.out + p.err}`);
  return line.slice(6 + topic.length).trim();
}

const account = ['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN'];

export const twilio = [
  {
    name: 'twilio: the account',
    needs: account,
    limitUsd: 0,
    run: (lab) => doctor(lab, [], 'twilio'),
  },
  {
    name: "twilio: the number's webhook",
    needs: [...account, 'TWILIO_FROM', 'CALLEE_PUBLIC_URL'],
    limitUsd: 0,
    run: (lab) => doctor(lab, ['--number', process.env.TWILIO_FROM], 'number'),
  },
  {
    name: 'twilio: a call to TWILIO_TO',
    needs: [...account, 'TWILIO_FROM', 'TWILIO_TO', 'CALLEE_PUBLIC_URL'],
    limitUsd: (USD_A_MINUTE * CALL_SECONDS_MAX) / 60,
    async run(lab, cost) {
      const placed = await lab.run(['call', 'place', '--to', process.env.TWILIO_TO, '--from',
        process.env.TWILIO_FROM, '--ring', '30'], { env: env() });
      const sid = placed.out.match(/^(CA\w+)/)?.[1];
      assert.ok(sid, placed.out);
      const over = (c) => ['completed', 'busy', 'no-answer', 'failed', 'canceled'].includes(c.status);
      let call;
      try {
        call = await until('the call to end', async () => {
          const c = await callResource(sid);
          return over(c) && c;
        }, CALL_SECONDS_MAX * 1000);
      } catch {
        await lab.run(['call', 'hangup', sid], { env: env(), code: null });
        call = await callResource(sid);
      }
      const seconds = Number(call.duration ?? 0);
      cost.usd += call.price ? Math.abs(Number(call.price)) : (Math.ceil(seconds / 60) * USD_A_MINUTE);
      assert.equal(call.status, 'completed', `${sid} ended as ${call.status}`);
      return `${sid} lasted ${seconds} s${call.price ? '' : ' (list price)'}`;
    },
  },
];

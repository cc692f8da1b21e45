// A bridge of calls as OpenAI publishes it: TwilioRealtimeTransportLayer of @openai/agents-extensions,
// wired as in their own Twilio example, for the benchmarks to compare with.
// Usage: node agents.mjs PROVIDER_URL. The packages are those of test/e2e (npm ci there).
import { createRequire } from 'node:module';
import http from 'node:http';

const require = createRequire(new URL('../../test/e2e/package.json', import.meta.url));
const { WebSocketServer } = require('ws');
const { RealtimeAgent, RealtimeSession } = require('@openai/agents-realtime');
const { TwilioRealtimeTransportLayer } = require('@openai/agents-extensions');

const url = process.argv[2];
const agent = new RealtimeAgent({ name: 'Agent', instructions: 'You answer the telephone.' });
const config = { audio: {
  input: { format: 'g711_ulaw', turnDetection: { type: 'server_vad', interruptResponse: true } },
  output: { format: 'g711_ulaw' },
} };

async function talk(ws) {
  const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket: ws });
  const session = new RealtimeSession(agent, { transport, config, tracingDisabled: true });
  session.on('error', (e) => console.error(e.error ?? e));
  try {
    await session.connect({ apiKey: 'bench', url });
    transport.sendEvent({ type: 'response.create' }); // the greeting
  } catch (e) {
    console.error(e);
    ws.close();
  }
}

const server = http.createServer();
const wss = new WebSocketServer({ server });
wss.on('connection', talk);
server.listen(0, '127.0.0.1', () =>
  console.log(`agents listens on http://127.0.0.1:${server.address().port}`));

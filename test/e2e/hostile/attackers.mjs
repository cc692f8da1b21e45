// Peers that mean harm, on loopback addresses of their own (127.0.0.2 and on): each kind holds so
// many connections, and opens a lost one again a little later, until it is told to stop.
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const AGAIN_MS = 2000;
const DRIP_MS = 250;
const CHUNK = 16384;

const head = (line, fields = '') => `${line}\r\nHost: a\r\n${fields}`;
const ASKS = `${head('GET /api/health HTTP/1.1')}\r\n`.repeat(200);
// The first flight of a handshake, up to the middle of its record.
const HALF_HELLO = Buffer.concat([Buffer.from('160301020001', 'hex'), Buffer.alloc(100, 1)]);

/** Writes `text` a byte at a time, and then the last byte again and again. */
function drip(socket, text) {
  let at = 0;
  return setInterval(() => socket.write(text[Math.min(at++, text.length - 1)]), DRIP_MS);
}

/** Writes what `make` gives for as long as the peer takes it. */
function pour(socket, make) {
  const go = () => {
    while (socket.writable && socket.write(make()));
  };
  socket.on('drain', go);
  go();
}

// `raw`: without TLS even where the server speaks it. `lasts`: hangs up by itself after so many ms.
const KINDS = {
  silent: { raw: true },
  'half a handshake': { raw: true, begin: (s) => void s.write(HALF_HELLO) },
  garbage: { raw: true, begin: (s) => void s.write(Buffer.alloc(CHUNK, 'garbage\xff\r\n\0', 'latin1')) },
  flood: { raw: true, lasts: 20, again: 100 },
  'dribbled head': { begin: (s) => drip(s, head('GET /api/health HTTP/1.1', 'X: y')) },
  'dribbled body': {
    begin: (s) => {
      s.write(head('POST /api/twilio/voice HTTP/1.1', 'Content-Length: 4000\r\n\r\n'));
      return drip(s, 'a=b');
    },
  },
  'endless head': {
    begin: (s) => {
      s.write(head('GET / HTTP/1.1'));
      pour(s, () => 'X-More: and more\r\n'.repeat(50));
    },
  },
  'answers unread': {
    begin: (s) => {
      s.pause();
      pour(s, () => ASKS);
    },
  },
  'wrong upgrades': {
    again: 200,
    begin: (s) => void s.write(head('GET /api/twilio/stream HTTP/1.1', 'Connection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')),
  },
};

export class Attackers {
  constructor(server) {
    this.server = server;
    this.open = new Set();
    this.timers = new Set();
    this.told = {};
    this.running = true;
  }

  /** `count` connections of that kind from 127.0.0.`host`. */
  add(name, count, host) {
    const kind = KINDS[name];
    this.told[name] ??= { opened: 0 };
    for (let i = 0; i < count; i++)
      this.later(() => this.attack(name, kind, host), (i / count) * AGAIN_MS);
  }

  later(fn, ms) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (this.running) fn();
    }, ms);
    this.timers.add(timer);
  }

  attack(name, kind, host) {
    const to = { host: '127.0.0.1', port: this.server.port, localAddress: `127.0.0.${host}` };
    const tls = this.server.tls && !kind.raw;
    const socket = tls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to);
    let timer;
    this.open.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => {}); // its end is seen only by who reads
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      this.told[name].opened++;
      timer = kind.begin?.(socket);
      if (kind.lasts) this.later(() => socket.destroy(), kind.lasts);
    });
    socket.once('close', () => {
      clearInterval(timer);
      this.open.delete(socket);
      if (this.running) this.later(() => this.attack(name, kind, host), kind.again ?? AGAIN_MS);
    });
  }

  stop() {
    this.running = false;
    for (const timer of this.timers) clearTimeout(timer);
    for (const socket of this.open) socket.destroy();
    return this.told;
  }
}

// Stereo WAVE files as callee writes them: 16 bits, 8 kHz, left the caller, right the agent.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

export const RATE = 8000;
const HEADER = 44;

export class Stereo {
  constructor(path) {
    const file = readFileSync(path);
    assert.equal(file.toString('latin1', 0, 4), 'RIFF', path);
    assert.equal(file.readUInt16LE(22), 2, `${path} has two sides`);
    assert.equal(file.readUInt32LE(24), RATE, path);
    this.bytes = file.subarray(HEADER);
    this.frames = Math.floor(this.bytes.length / 4);
    this.ms = this.frames * 1000 / RATE;
  }

  /** Root mean square of one side (0 caller, 1 agent) between two times. */
  level(side, fromMs = 0, toMs = this.ms) {
    const from = Math.max(0, Math.floor(fromMs * RATE / 1000));
    const to = Math.min(this.frames, Math.floor(toMs * RATE / 1000));
    let sum = 0;
    for (let i = from; i < to; i++) sum += this.bytes.readInt16LE(i * 4 + side * 2) ** 2;
    return to > from ? Math.sqrt(sum / (to - from)) : 0;
  }

  /** Milliseconds of 20 ms frames that are louder than `level`. */
  loudMs(side, level = 100) {
    let ms = 0;
    for (let at = 0; at + 20 <= this.ms; at += 20) if (this.level(side, at, at + 20) > level) ms += 20;
    return ms;
  }
}

/** A mono WAVE file of a wavering tone: a caller who never falls silent. */
export function writeHum(path, ms) {
  const frames = ms * RATE / 1000;
  const file = Buffer.alloc(HEADER + frames * 2);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(36 + frames * 2, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(frames * 2, 40);
  for (let i = 0; i < frames; i++) {
    const loud = 6000 + 3000 * Math.sin(i / 900);
    file.writeInt16LE(Math.round(loud * Math.sin(2 * Math.PI * 300 * i / RATE)), HEADER + i * 2);
  }
  writeFileSync(path, file);
}

// Times of a journal's records; the format is in docs/journal.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const HEADER = 32;
const HEAD = 1;

/** { head, records, lastWallMs }: the last record's time by the wall clock. */
export function readJournal(path) {
  const file = readFileSync(path);
  let head = null;
  let records = 0;
  let lastUs = 0;
  for (let at = 0; at + HEADER <= file.length;) {
    assert.equal(file.toString('latin1', at, at + 4), 'CLJ1', `${path} at ${at}`);
    const length = file.readUInt32LE(at + 4);
    lastUs = Number(file.readBigInt64LE(at + 16));
    if (file.readUInt16LE(at + 24) === HEAD)
      head = JSON.parse(file.toString('utf8', at + HEADER, at + HEADER + length));
    at += HEADER + length;
    records++;
  }
  assert.ok(head, `${path} has a head`);
  return { head, records, lastWallMs: head.wallMs + (lastUs - head.anchorUs) / 1000 };
}

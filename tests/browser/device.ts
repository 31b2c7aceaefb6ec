// Somebody's authenticator app (RFC 6238 over RFC 4226), which nobody of the server's wrote.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

/** The six digits that an app shows now for a secret in base32 (RFC 4648), spaces in it or not. */
export function codeNow(secret: string): string {
  const bits = [...secret.replaceAll(' ', '')].map((letter) => {
    const value = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter);
    assert.ok(value >= 0, `${letter} is no base32`);
    return value.toString(2).padStart(5, '0');
  }).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac('sha1', key).update(counter).digest();
  return String((digest.readUInt32BE(digest[19] & 0xf) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
}

// Erlang's External Term Format, as a worker of version 1 sends it and reads it: the terms of client.mjs.
//
// `nil`, `true` and `false` are null, true and false, other atoms are Symbol.for(name). Binaries are strings (a Buffer
// may be sent too), integers numbers, or BigInt from 2^53 on, tuples are Tuples, lists are arrays, and so are columns
// that arrive. A map arrives as an object; an object is sent as a map whose keys are atoms, a Map with the keys it has.

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const WORDS = new Map([["nil", null], ["true", true], ["false", false]]);

const number = (big) => (Number.isSafeInteger(Number(big)) ? Number(big) : big);
const dashed = (hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
const COLUMNS = new Map([ // how many bytes a value has, and how to read the one that starts at an offset
  [Symbol.for("int64"), [8, (bytes, at) => number(bytes.readBigInt64LE(at))]],
  [Symbol.for("float32"), [4, (bytes, at) => bytes.readFloatLE(at)]],
  [Symbol.for("uuid"), [16, (bytes, at) => dashed(bytes.toString("hex", at, at + 16))]],
]);

export class Tuple extends Array {}

/** The term of a payload: all that a worker sends, as in the section Terms. */
export function decode(payload) {
  let at = 0;
  const take = (size) => {
    if (size > payload.length - at) throw new Error(`the term is cut off at byte ${payload.length}`);
    at += size;
    return payload.subarray(at - size, at);
  };
  const u8 = () => take(1)[0];
  const u32 = () => take(4).readUInt32BE();
  const atom = (name) => (WORDS.has(name) ? WORDS.get(name) : Symbol.for(name));
  const terms = (count, into) => {
    while (count-- > 0) into.push(term());
    return into;
  };
  const bignum = (size) => {
    const sign = u8() ? -1n : 1n;
    return number(sign * BigInt("0x0" + Buffer.from(take(size)).reverse().toString("hex")));
  };
  const list = (count) => {
    const items = terms(count, []);
    if (u8() !== 106) throw new Error(`an improper list at byte ${at - 1}`);
    return items;
  };
  const tuple = (count) => {
    const items = terms(Math.min(count, 1), new Tuple());
    const column = count === 2 && payload[at] === 109 && COLUMNS.get(items[0]);
    if (!column) return terms(count - 1, items);
    u8();
    return values(column, take(u32()));
  };
  const values = ([width, read], bytes) => {
    if (bytes.length % width) throw new Error(`a column of ${bytes.length} bytes at byte ${at}`);
    return Array.from({ length: bytes.length / width }, (_, row) => read(bytes, row * width));
  };
  const pair = () => {
    const key = term();
    return [typeof key === "symbol" ? key.description : key, term()];
  };
  const readers = {
    97: u8,
    98: () => take(4).readInt32BE(),
    110: () => bignum(u8()),
    70: () => take(8).readDoubleBE(),
    119: () => atom(UTF8.decode(take(u8()))),
    109: () => UTF8.decode(take(u32())),
    106: () => [],
    108: () => list(u32()),
    104: () => tuple(u8()),
    105: () => tuple(u32()),
    116: () => Object.fromEntries(Array.from({ length: u32() }, pair)),
  };
  function term() {
    const tag = u8();
    if (!readers[tag]) throw new Error(`tag ${tag} at byte ${at - 1}`);
    return readers[tag]();
  }
  if (u8() !== 131) throw new Error(`version byte ${payload[0]}`);
  const whole = term();
  if (at < payload.length) throw new Error(`${payload.length - at} bytes after the term`);
  return whole;
}

/** A tag and a number of `size` bytes; `write` is the method of Buffer that writes it. */
const tagged = (tag, size, write, value) => {
  const bytes = Buffer.alloc(1 + size, tag);
  bytes[write](value, 1);
  return bytes;
};
const sized = (tag, count) => tagged(tag, 4, "writeUInt32BE", count);
const atomParts = (name) => [tagged(118, 2, "writeUInt16BE", Buffer.byteLength(name)), Buffer.from(name)];
const integer = (value) => {
  if (value === BigInt.asIntN(32, value)) return [tagged(98, 4, "writeInt32BE", Number(value))];
  if (value !== BigInt.asIntN(64, value)) throw new RangeError(`an integer of more than 64 bits: ${value}`);
  const hex = (value < 0n ? -value : value).toString(16);
  const magnitude = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").reverse();
  return [tagged(110, 1, "writeUInt8", magnitude.length), Buffer.of(value < 0n ? 1 : 0), magnitude];
};

/** A term as buffers, in the widest tag of its type: a worker reads them all. */
function parts(term) {
  if (term === null) return atomParts("nil");
  if (typeof term === "boolean") return atomParts(String(term));
  if (typeof term === "symbol") return atomParts(term.description);
  if (typeof term === "bigint" || Number.isSafeInteger(term)) return integer(BigInt(term));
  if (Number.isFinite(term)) return [tagged(70, 8, "writeDoubleBE", term)];
  if (typeof term === "string") return parts(Buffer.from(term));
  if (Buffer.isBuffer(term)) return [sized(109, term.length), term];
  if (term instanceof Tuple) return [sized(105, term.length), ...term.flatMap(parts)];
  if (Array.isArray(term)) return [sized(108, term.length), ...term.flatMap(parts), Buffer.of(106)];
  if (typeof term !== "object") throw new TypeError(`no term: ${String(term)}`);
  const pairs = term instanceof Map ? [...term] : Object.entries(term).map(([key, value]) => [Symbol.for(key), value]);
  return [sized(116, pairs.length), ...pairs.flat().flatMap(parts)];
}

/** The payload of a term. */
export const encode = (term) => Buffer.concat([Buffer.of(131), ...parts(term)]);

// A client of a port_worker for Node.js 18.3 or later, written from protocol/SPEC.md alone, without dependencies.
//
//     node protocol/examples/client.mjs [--user ID] [--n N] [--retrain ALGORITHM] -- bin/worker --fixture
//
// prints JSON lines: the hello, what a retrain says, and the answers of four calls that were in flight together. Its
// status is 0 when every call was answered (an error is an answer too), 1 when the worker failed, 2 for bad arguments.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const [PROTOCOL, MAX_FRAME_BYTES, HELLO_MS, LATER_MS] = [1, 16777216, 60_000, 1000];

// Terms: an atom is a string (nil, true, false: null, true, false), a binary a Buffer, a list an array, a tuple a Tuple,
// a map an object, an integer a number, or a BigInt where a number is not exact. A column arrives as an array.
class Tuple extends Array {}
const WORDS = new Map([["nil", null], ["true", true], ["false", false]]);
const exact = (big) => (Number.isSafeInteger(Number(big)) ? Number(big) : big);
const COLUMNS = new Map([ // how many bytes a value has, and how it is read
  ["int64", [8, (bytes) => exact(bytes.readBigInt64LE())]],
  ["float32", [4, (bytes) => bytes.readFloatLE()]],
  ["uuid", [16, (bytes) => bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")]],
]);
function values([kind, bytes]) {
  const [width, read] = COLUMNS.get(kind);
  return Array.from({ length: bytes.length / width }, (_, row) => read(bytes.subarray(row * width, (row + 1) * width)));
}

function decode(payload) {
  let at = 0;
  const take = (size) => {
    if (size > payload.length - at) throw new Error(`the term is cut off at byte ${payload.length}`);
    return payload.subarray(at, (at += size));
  };
  const u8 = () => take(1)[0];
  const u32 = () => take(4).readUInt32BE();
  const terms = (length, into = Array) => into.from({ length }, () => term());
  const atom = (name) => (WORDS.has(name) ? WORDS.get(name) : name);
  const integer = (size, sign) => exact((sign ? -1n : 1n) * BigInt(`0x0${Buffer.from(take(size)).reverse().toString("hex")}`));
  const tuple = (all) => (all.length === 2 && COLUMNS.has(all[0]) && Buffer.isBuffer(all[1]) ? values(all) : all);
  const readers = {
    97: u8,
    98: () => take(4).readInt32BE(),
    110: () => integer(u8(), u8()),
    70: () => take(8).readDoubleBE(),
    119: () => atom(take(u8()).toString()),
    109: () => take(u32()),
    106: () => [],
    108: () => terms(u32() + 1).slice(0, -1), // the last one is the tail: an empty list
    104: () => tuple(terms(u8(), Tuple)),
    105: () => tuple(terms(u32(), Tuple)),
    116: () => Object.fromEntries(Array.from({ length: u32() }, () => [term(), term()])),
  };
  const term = () => {
    const tag = u8();
    if (!readers[tag]) throw new Error(`tag ${tag} at byte ${at - 1}`);
    return readers[tag]();
  };
  if (u8() !== 131) throw new Error(`version byte ${payload[0]}`);
  const whole = term();
  if (at < payload.length) throw new Error(`${payload.length - at} bytes after the term`);
  return whole;
}

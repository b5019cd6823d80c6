// A client of a port_worker for Node.js 18.3 or later, written from protocol/SPEC.md alone, without dependencies.
//     node protocol/examples/client.mjs [--user ID] [--n N] [--retrain ALGORITHM] -- bin/worker --fixture
// prints what it hears as JSON lines. Its status is 0 (an error is an answer too), 1 for a bad worker, 2 for bad usage.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const [PROTOCOL, MAX_FRAME_BYTES, HELLO_MS, DEADLINE_MS, GRACE_MS] = [1, 16777216, 60_000, 10_000, 1000];
const WORDS = new Map([["nil", null], ["true", true], ["false", false]]);
const exact = (integer) => (Number.isSafeInteger(Number(integer)) ? Number(integer) : String(integer));
const dashed = (hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
const COLUMNS = new Map([ // of an ArrayBuffer; Node.js runs on little-endian machines, with few exceptions
  ["int64", (values) => Array.from(new BigInt64Array(values), exact)],
  ["float32", (values) => Array.from(new Float32Array(values))],
  ["uuid", (values) => (Buffer.from(values).toString("hex").match(/.{32}/g) ?? []).map(dashed)],
]);
// Atoms become strings, binaries Buffers, tuples and columns arrays, integers numbers, or their digits if too large.
function decode(payload) {
  let at = 1;
  const take = (size) => payload.subarray(at, (at += size));
  const [u8, u32] = [() => take(1).readUInt8(), () => take(4).readUInt32BE()]; // they throw where nothing is left
  const integer = (size, sign) => (sign ? -1n : 1n) * BigInt(`0x${Buffer.from(take(size)).reverse().toString("hex")}`);
  const atom = (name) => (WORDS.has(name) ? WORDS.get(name) : name);
  const unknown = () => { throw new Error(`it sent a term with tag ${payload[at - 1]}`); };
  const terms = (length) => Array.from({ length }, () => (readers[u8()] ?? unknown)());
  const tuple = (all) => (Buffer.isBuffer(all[1]) && COLUMNS.get(all[0])?.(Uint8Array.from(all[1]).buffer)) || all;
  const readers = {
    97: u8, 98: () => take(4).readInt32BE(), 110: () => exact(integer(u8(), u8())), 70: () => take(8).readDoubleBE(),
    119: () => atom(take(u8()).toString()), 109: () => take(u32()), // atoms, binaries
    106: () => [], 108: () => terms(u32() + 1).slice(0, -1), // lists: behind the last element comes an empty list
    104: () => tuple(terms(u8())), 105: () => tuple(terms(u32())),
    116: () => Object.fromEntries(Array.from({ length: u32() }, () => terms(2))),
  };
  const [term] = terms(1);
  if (payload[0] !== 131 || at !== payload.length) throw new Error("it sent what is not exactly one term");
  return term;
}

// Atoms are Symbols, binaries strings, lists arrays, maps objects (keys are atoms), floats numbers with a fraction.
const u32 = (value) => [value >> 24, value >> 16, value >> 8, value]; // Buffer.of keeps the low 8 bits of each
const sized = (tag, size, ...parts) => Buffer.concat([Buffer.of(tag, ...u32(size)), ...parts]);
function encode(term) {
  const pair = ([key, value]) => [encode(Symbol(key)), encode(value)];
  if (typeof term === "symbol") return Buffer.from([119, term.description.length, ...Buffer.from(term.description)]);
  if (typeof term === "string") return sized(109, Buffer.byteLength(term), Buffer.from(term));
  if (Array.isArray(term)) return sized(108, term.length, ...term.map(encode), Buffer.of(106));
  if (typeof term === "object") return sized(116, Object.keys(term).length, ...Object.entries(term).flatMap(pair));
  const float = typeof term === "number" && !Number.isSafeInteger(term);
  const bytes = Buffer.from(float ? [70, ...Array(8)] : [110, 8, term < 0, ...Array(8)]);
  float ? bytes.writeDoubleBE(term, 1) : bytes.writeBigUInt64LE(BigInt(term < 0 ? -term : term), 3);
  return bytes;
}

const text = (_, it) => (it?.type === "Buffer" ? String(Buffer.from(it)) : it); // what JSON makes of a Buffer
const print = (facts) => console.log(JSON.stringify(facts, text));
const waiting = new Map(); // the calls by their ids, and "hello"
let [hello, lastId, lose] = [null, 0, null];
const lost = new Promise((_, reject) => (lose = (why) => reject(new Error(why)))); // the first reason stays
function answer(id, op, ms) {
  const timer = setTimeout(() => lose(`the worker has not answered ${op} within ${ms} ms`), ms);
  const end = new Promise((resolve, reject) => waiting.set(id, { op, resolve, reject }));
  return Promise.race([end, lost]).finally(() => clearTimeout(timer));
}
function receive([kind, id, facts]) {
  if ((kind === "hello") === Boolean(hello)) throw new Error(`it sent ${kind} ${hello ? "twice" : "before hello"}`);
  if (kind === "hello" && id.protocol !== PROTOCOL) throw new Error(`it speaks version ${id.protocol} of the protocol`);
  if (kind === "hello") waiting.get(kind).resolve((hello = id));
  else if (kind === "event") print({ event: id, facts });
  else if (kind === "progress") print({ op: waiting.get(id)?.op, progress: facts });
  else if (kind === "ok") waiting.get(id)?.resolve(facts); // nobody waits for what comes late
  else if (kind !== "error") throw new Error(`it sent what is no message: ${kind}`);
  else if (id === null) throw new Error(`it could not read a frame: ${facts.message}`);
  else waiting.get(id)?.reject(Object.assign(new Error(), facts, { message: String(facts.message) }));
}
async function listen(stdout) {
  let unread = Buffer.alloc(0);
  for await (const chunk of stdout) {
    unread = Buffer.concat([unread, chunk]);
    for (let end; unread.length >= 4 && (end = 4 + unread.readUInt32BE()); unread = unread.subarray(end)) {
      if (end > 4 + MAX_FRAME_BYTES) throw new Error(`it sent a frame of ${end - 4} bytes`);
      if (unread.length < end) break;
      receive(decode(unread.subarray(4, end)));
    }
  }
}

async function converse(child, user, n, retrain) {
  const call = async (op, args, deadline = DEADLINE_MS) => {
    const message = sized(105, 5, ...[Symbol("call"), ++lastId, Symbol(op), args, deadline].map(encode)); // a tuple
    child.stdin.write(Buffer.concat([Buffer.of(...u32(message.length + 1), 131), message]));
    const failed = (error) => ("retryable" in error ? { op, error } : Promise.reject(error));
    return answer(lastId, op, deadline + GRACE_MS).then((ok) => ({ op, ok }), failed);
  };
  const { worker, model } = await answer("hello", "hello", HELLO_MS);
  print({ hello: { worker, model } });
  if (retrain) print(await call("retrain", { algorithm: retrain }, 600_000));
  const recommend = [{ user, n }, { user, n, exclude: [], form: Symbol("columns") }, { user, n: 0 }];
  (await Promise.all([call("ping", {}), ...recommend.map((args) => call("recommend", args))])).forEach(print);
}

async function main() {
  process.exitCode = 2; // until the arguments are understood
  const options = Object.fromEntries(["user", "n", "retrain"].map((name) => [name, { type: "string" }]));
  const { values, positionals: [program, ...args] } = parseArgs({ options, allowPositionals: true });
  const { user = "nobody", n = "5", retrain } = values;
  if (!program || Number.isNaN(Number(n))) throw new Error("expected [--n NUMBER] and, behind --, a worker's command");
  const env = { ...process.env, PORT_WORKER_CODEC: undefined }; // it could ask for another codec
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "inherit"] }); // stderr is for people
  child.stdin.on("error", () => {}); // the worker is gone, and "close" says so
  child.on("error", (error) => lose(error.message)); // there is no such program
  const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
  ended.then((status) => lose(`the worker has ended: ${status}`));
  listen(child.stdout).catch((error) => lose(`the worker was refused: ${error.message}`));
  const id = /^-?\d+$/.test(user) ? BigInt(user) : user; // on a command line the id 5 and the id "5" look the same
  const failure = await converse(child, id, Number(n), retrain).catch((error) => error);
  child.stdin.end(); // it answers what it has read, and exits; a child of its own may hold stdout
  setTimeout(() => [child.kill("SIGKILL"), child.stdout.destroy()], failure ? GRACE_MS : DEADLINE_MS).unref();
  process.exitCode = failure || (await ended) !== 0 ? 1 : 0;
  if (process.exitCode !== 0) throw failure ?? new Error(`the worker has ended: ${await ended}`);
}
main().catch((error) => console.error(`client: ${error.message}`));

// A client of a port_worker for Node.js 18.3 or later, written from protocol/SPEC.md alone, without dependencies.
//     node protocol/examples/client.mjs [--user ID] [--n N] [--retrain ALGORITHM] -- bin/worker --fixture
// prints JSON lines: the hello, what a retrain says, and the answers of four calls that were in flight together. Its
// status is 0 when every call was answered (an error is an answer too), 1 when the worker failed, 2 for bad arguments.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const [PROTOCOL, MAX_FRAME_BYTES, HELLO_MS, GRACE_MS] = [1, 16777216, 60_000, 1000];

// An atom is a string here (nil, true and false are null, true and false), a binary a Buffer, a list an array, a tuple a
// Tuple, a map an object, an integer a number, or a BigInt where a number is not exact. A column arrives as an array.
class Tuple extends Array {}
const WORDS = new Map([["nil", null], ["true", true], ["false", false]]);
const exact = (big) => (Number.isSafeInteger(Number(big)) ? Number(big) : big);
const COLUMNS = new Map([ // how many bytes a value has, and how to read the first one
  ["int64", [8, (bytes) => exact(bytes.readBigInt64LE())]],
  ["float32", [4, (bytes) => bytes.readFloatLE()]],
  ["uuid", [16, (bytes) => bytes.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")]],
]);

function decode(payload) {
  let at = 0;
  const take = (size) => {
    if (size > payload.length - at) throw new Error(`the term is cut off at byte ${payload.length}`);
    return payload.subarray(at, (at += size));
  };
  const [u8, u32] = [() => take(1)[0], () => take(4).readUInt32BE()];
  const hex = (size) => "0x" + Buffer.from(take(size)).reverse().toString("hex");
  const integer = (size, sign) => exact((sign ? -1n : 1n) * BigInt(hex(size)));
  const atom = (name) => (WORDS.has(name) ? WORDS.get(name) : name);
  const tuple = (length) => {
    const items = Tuple.from({ length }, term);
    const [width, read] = (Buffer.isBuffer(items[1]) && COLUMNS.get(items[0])) || [];
    if (!width) return items;
    return Array.from({ length: items[1].length / width }, (_, row) => read(items[1].subarray(row * width)));
  };
  const readers = {
    97: u8,
    98: () => take(4).readInt32BE(),
    110: () => integer(u8(), u8()),
    70: () => take(8).readDoubleBE(),
    119: () => atom(take(u8()).toString()),
    109: () => take(u32()),
    106: () => [],
    108: () => Array.from({ length: u32() + 1 }, term).slice(0, -1), // behind the last one comes an empty list
    104: () => tuple(u8()),
    105: () => tuple(u32()),
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

const bytes = (size, method, value) => {
  const buffer = Buffer.alloc(size);
  buffer[method](value);
  return buffer;
};
const u32 = (value) => bytes(4, "writeUInt32BE", value);

function encode(term) { // as a list of buffers, without the version byte
  if (term === null || typeof term === "boolean") return encode(String(term ?? "nil"));
  if (typeof term === "string") return [Buffer.of(119, Buffer.byteLength(term)), Buffer.from(term)];
  if (Buffer.isBuffer(term)) return [Buffer.of(109), u32(term.length), term];
  if (term instanceof Tuple) return [Buffer.of(105), u32(term.length), ...term.flatMap(encode)];
  if (Array.isArray(term)) return [Buffer.of(108), u32(term.length), ...term.flatMap(encode), Buffer.of(106)];
  if (typeof term === "bigint" || Number.isSafeInteger(term)) {
    return [Buffer.of(110, 8, term < 0), bytes(8, "writeBigUInt64LE", BigInt(term < 0 ? -term : term))];
  }
  if (typeof term === "number") return [Buffer.of(70), bytes(8, "writeDoubleBE", term)];
  const pairs = Object.entries(term);
  return [Buffer.of(116), u32(pairs.length), ...pairs.flat().flatMap(encode)];
}

async function* payloads(stdout) {
  let unread = Buffer.alloc(0);
  for await (const chunk of stdout) {
    unread = Buffer.concat([unread, chunk]);
    for (let size; unread.length >= 4; unread = unread.subarray(4 + size)) {
      size = unread.readUInt32BE();
      if (size > MAX_FRAME_BYTES) throw new Error(`it sent a frame of ${size} bytes`);
      if (unread.length < 4 + size) break;
      yield unread.subarray(4, 4 + size);
    }
  }
}

class Worker {
  #waiting = new Map(); // by id, the calls in flight; before them "hello"
  #lastId = 0;
  #lost; // why the worker can no longer be talked to

  constructor([program, ...args]) {
    const env = { ...process.env, PORT_WORKER_CODEC: undefined }; // it could ask for another codec
    this.child = spawn(program, args, { env, stdio: ["pipe", "pipe", "inherit"] }); // stderr is for people
    this.child.stdin.on("error", () => {}); // the worker is gone, and "close" says so
    this.child.on("error", (error) => this.#lose(error.message)); // there is no such program
    this.child.on("exit", () => setTimeout(() => this.child.stdout.destroy(), GRACE_MS).unref()); // others may hold it
    this.ended = new Promise((resolve) => this.child.on("close", (code, signal) => resolve(code ?? signal)));
    this.ended.then((status) => this.#lose(`the worker has ended: ${status}`));
    this.hello = this.#answer("hello", "hello", HELLO_MS);
    this.#listen().catch((error) => this.#lose(`the worker was refused: ${error.message}`));
  }

  /** Resolves to the result; rejects with the error that the worker sent, or when the worker is lost. */
  call(op, args, deadline = 10_000) {
    const id = ++this.#lastId;
    const message = Buffer.concat([Buffer.of(131), ...encode(Tuple.of("call", id, op, args, deadline))]);
    this.child.stdin.write(Buffer.concat([u32(message.length), message]));
    return this.#answer(id, op, deadline + GRACE_MS);
  }

  /** Resolves to the exit status, or to the signal that ended the worker. */
  close() {
    this.child.stdin.end();
    setTimeout(() => this.child.kill("SIGKILL"), this.#lost ? GRACE_MS : 10 * GRACE_MS).unref();
    return this.ended;
  }

  #answer(id, op, ms) {
    setTimeout(() => this.#waiting.has(id) && this.#lose(`no answer to ${op} within ${ms} ms`), ms).unref();
    return new Promise((resolve, reject) => {
      if (this.#lost) throw this.#lost;
      this.#waiting.set(id, { op, resolve, reject });
    });
  }

  #end(id, how, value) {
    this.#waiting.get(id)?.[how](value); // nobody waits for what comes late
    this.#waiting.delete(id);
  }

  #lose(why) {
    this.#lost ??= new Error(why);
    for (const id of this.#waiting.keys()) this.#end(id, "reject", this.#lost);
  }

  async #listen() {
    for await (const payload of payloads(this.child.stdout)) {
      const message = decode(payload);
      const [kind, id, facts] = message instanceof Tuple ? message : [];
      if (!["hello", "progress", "ok", "error", "event"].includes(kind)) throw new Error("it sent what is no message");
      const first = this.#waiting.has("hello") 
    }
  }
}

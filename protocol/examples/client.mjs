// A client of a port_worker for Node.js 18.3 or later, written from protocol/SPEC.md alone, without dependencies.
//
//     node protocol/examples/client.mjs [--user ID] [--n N] [--retrain ALGORITHM] -- bin/worker --fixture
//
// prints JSON lines: the hello, what a retrain says, and the answers of four calls that were in flight together. Its
// status is 0 when every call was answered (an error is an answer too), 1 when the worker failed, 2 for bad arguments.
//
//     const client = await Client.start(["bin/worker", "--fixture"]);
//     const { items } = await client.call("recommend", { user: "ada", n: 5 }, { deadline: 500 });
//     await client.close();
//
// is its use as a module. etf.mjs says what the terms are in JavaScript.
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { existsSync, realpathSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { decode, encode, Tuple } from "./etf.mjs";

const PROTOCOL = 1;
const MAX_FRAME_BYTES = 16777216; // no worker has a higher limit; its hello may show a lower one
const LATER_MS = 1000; // after a deadline, the client itself gives the call up: for a worker that says nothing

/** The worker can no longer be talked to: all that waits is rejected with this. */
export class SessionError extends Error {}
/** A call ended with an error: `code` (a string), `retryable` and `details` as the worker sent them. */
export class CallError extends Error {
  constructor({ code, message, retryable, details }) {
    super(message);
    Object.assign(this, { code: code.description, retryable, details });
  }
}
const own = (code, message, retryable) => new CallError({ code: Symbol.for(code), message, retryable, details: {} });

const SIZES = new Map([["hello", 2], ["progress", 3], ["ok", 3], ["error", 3], ["event", 3]]);
/** The message with its kind as a string; an error for what is none of version 1, or comes out of turn. */
function understood(message, hello) {
  const kind = message instanceof Tuple ? message[0]?.description : undefined;
  if (!SIZES.has(kind) || message.length !== SIZES.get(kind)) throw new Error("it sent what is no message");
  if (kind === "hello" && hello) throw new Error("it said hello twice");
  if (kind !== "hello" && !hello) throw new Error(`it began with ${kind}, not with hello`);
  const version = kind === "hello" ? message[1].protocol : PROTOCOL;
  if (version !== PROTOCOL) throw new Error(`it speaks version ${version} of the protocol, this client ${PROTOCOL}`);
  return [kind, ...message.slice(1)];
}

/** One worker, from `Client.start` to `close`. Emits "event" with the kind (a string) and the facts of each event. */
export class Client extends EventEmitter {
  #child;
  #greeted;
  #lost = null;
  #lastId = 0;
  #calls = new Map(); // by id. A call stays until the worker ends it, because so long it is in flight for the worker

  /** Start a worker. Resolves when it has said a hello that this client understands. */
  static async start([program, ...args], { helloMs = 60_000 } = {}) {
    const client = new Client();
    const hello = new Promise((resolve, reject) => (client.#greeted = { resolve, reject }));
    const env = { ...process.env, PORT_WORKER_CODEC: undefined }; // which could ask for another codec than etf.mjs
    client.#attach(spawn(program, args, { env, stdio: ["pipe", "pipe", "inherit"] })); // its stderr is for people
    const timer = setTimeout(() => client.#lose(`the worker said no hello within ${helloMs} ms`), helloMs);
    await hello.finally(() => clearTimeout(timer));
    return client;
  }

  /** Resolves to the result. `deadline` is in milliseconds; `signal`, an AbortSignal, cancels the call. */
  call(op, args = {}, { deadline = Infinity, onProgress = () => {}, signal } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#lost) throw this.#lost;
      const { ops, limits } = this.hello;
      if (!ops.includes(Symbol.for(op))) throw own("unknown_op", `this worker has no op ${op}`, false);
      if (this.#calls.size >= limits.max_in_flight) throw own("overloaded", "too many calls in flight", true);
      const id = ++this.#lastId;
      const bounded = deadline !== Infinity;
      this.#send(Symbol.for("call"), id, Symbol.for(op), args, bounded ? deadline : Symbol.for("infinity"));
      const cancel = () => this.#send(Symbol.for("cancel"), id); // then it ends: so, or as it would have
      const giveUp = () => {
        cancel();
        reject(own("deadline_exceeded", `the worker is silent, ${LATER_MS} ms after the deadline`, true));
      };
      const timer = bounded ? setTimeout(giveUp, deadline + LATER_MS) : undefined;
      const end = (error, result) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
        if (error) reject(error);
        else resolve(result);
      };
      this.#calls.set(id, { end, onProgress });
      signal?.addEventListener("abort", cancel);
      if (signal?.aborted) cancel();
    });
  }

  /** End the worker, which first answers what it has read. Resolves to its exit status, or the signal that ended it. */
  async close(graceMs = 10_000) {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    return this.gone.finally(() => clearTimeout(timer));
  }

  #attach(child) {
    this.#child = child;
    child.stdin.on("error", () => {}); // the worker is gone, and its exit says so
    const heard = this.#listen(child.stdout).catch((error) => this.#lose(error.message));
    const exit = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message)); // there is no such program
      child.once("exit", (code, signal) => resolve(code ?? signal));
    });
    heard.then(() => this.close()); // a worker that will say no more is of no use
    this.gone = exit.then(async (status) => {
      await Promise.race([heard, sleep(1000, null, { ref: false })]); // a child of the worker may hold the pipe open
      child.stdout.destroy();
      this.#lose(`the worker has ended: ${status}`);
      return status;
    });
  }

  async #listen(stdout) {
    let unread = Buffer.alloc(0);
    for await (const chunk of stdout) {
      if (this.#lost) continue; // read all the same, so that the worker is not stuck while it ends
      unread = Buffer.concat([unread, chunk]);
      for (let size; unread.length >= 4 && !this.#lost; unread = unread.subarray(4 + size)) {
        size = unread.readUInt32BE();
        if (size > MAX_FRAME_BYTES) this.#lose(`the worker was refused: it sent a frame of ${size} bytes`);
        if (unread.length < 4 + size) break;
        this.#receive(unread.subarray(4, 4 + size));
        if (this.#lastId === 0) await nextTurn(); // who awaits the hello can listen before the events behind it
      }
    }
  }

  #receive(payload) {
    let message;
    try {
      message = understood(decode(payload), this.hello);
    } catch (error) {
      return this.#lose(`the worker was refused: ${error.message}`);
    }
    const [kind, id, facts] = message;
    const call = this.#calls.get(id); // none when it has ended: what comes late is ignored
    if (kind === "hello") this.#greeted.resolve((this.hello = id));
    else if (kind === "event") this.emit("event", id.description, facts);
    else if (kind === "progress") call?.onProgress(facts);
    else if (id === null) this.#lose(`the worker could not read a frame: ${facts.message}`);
    else if (this.#calls.delete(id)) call.end(kind === "error" && new CallError(facts), facts);
  }

  #send(...message) {
    const payload = encode(Tuple.from(message));
    const most = this.hello.limits.max_frame_bytes;
    if (payload.length > most) throw new RangeError(`a frame of ${payload.length} bytes; the worker reads ${most}`);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    this.#child.stdin.write(Buffer.concat([length, payload]));
  }

  #lose(why) {
    if (this.#lost) return;
    this.#lost = new SessionError(why);
    this.#greeted.reject(this.#lost);
    for (const call of this.#calls.values()) call.end(this.#lost);
    this.#calls.clear();
    this.close(2000);
  }
}

/** JSON has neither atoms nor integers of 64 bits: both are printed as texts. */
const plain = (_, value) => {
  if (typeof value === "symbol") return value.description;
  return typeof value === "bigint" ? String(value) : value;
};
const print = (facts) => console.log(JSON.stringify(facts, plain));

/** Make the calls of the command line and print how each ended. */
async function converse(client, { user, n, retrain }) {
  const { worker, model } = client.hello;
  print({ hello: { worker, model } });
  client.on("event", (event, facts) => print({ event, facts }));
  const outcome = async (op, args, options) => {
    try {
      return { op, ok: await client.call(op, args, options) };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const { code, message, retryable, details } = error;
      return { op, error: { code, message, retryable, details } };
    }
  };
  if (retrain !== undefined) {
    const onProgress = (progress) => print({ op: "retrain", progress });
    print(await outcome("retrain", { algorithm: retrain }, { deadline: 600_000, onProgress }));
  }
  const columns = { user, n, form: Symbol.for("columns") };
  const calls = [["ping", {}], ["recommend", { user, n }], ["recommend", columns], ["recommend", { user, n: 0 }]];
  const answers = await Promise.all(calls.map(([op, args]) => outcome(op, args, { deadline: 10_000 })));
  answers.forEach(print);
}

async function main() {
  const text = { type: "string" };
  const options = { user: text, n: text, retrain: text };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const { user = "nobody", n = "5", retrain } = values;
  if (!/^\d+$/.test(n)) throw new TypeError(`--n: expected a number, got '${n}'`);
  if (positionals.length === 0) throw new TypeError("expected the command of a worker behind --, got none");
  const client = await Client.start(positionals);
  // On a command line the id 5 and the id "5" look the same: digits are taken as an integer.
  const id = /^-?\d+$/.test(user) ? BigInt(user) : user;
  await converse(client, { user: id, n: Number(n), retrain }).finally(() => client.close());
  const status = await client.gone;
  if (status !== 0) throw new SessionError(`the worker has ended: ${status}`);
}

const started = process.argv[1] ?? "";
if (existsSync(started) && realpathSync(started) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`client: ${error.message}`);
    process.exitCode = error instanceof TypeError ? 2 : 1;
  });
}

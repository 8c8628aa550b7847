// What the tests share: a server of their own on a free port, waits with an end, callers over either library.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Fill } from "onefill";

const LIMIT_MS = 30_000;

// A running server. `restart` keeps the port.
export class Server {
  port = 0;

  async start() {
    this.log = "";
    const options = ["--port", String(this.port), "--bind", "127.0.0.1"];
    this.process = spawn(process.env.ONEFILL_BIN, options, { stdio: ["ignore", "pipe", "pipe"] });
    for (const pipe of [this.process.stdout, this.process.stderr]) pipe.on("data", (text) => (this.log += text));
    await until(() => {
      assert.equal(this.process.exitCode, null, this.log);
      this.port = Number(/listening on 127\.0\.0\.1:(\d+)\s/.exec(this.log)?.[1] ?? this.port);
      return this.log.includes("listening on 127.0.0.1:");
    });
    this.client = new Redis({ port: this.port, retryStrategy: () => null });
    return this;
  }

  async stop() {
    this.client.disconnect();
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  // How many are parked for a key.
  async waiters(key) {
    const info = (await this.client.call("FILL.INFO", key)) ?? [];
    return info[info.indexOf("waiters") + 1] ?? 0;
  }

  // A figure of INFO fill.
  async figure(name) {
    return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(await this.client.info("fill"))[1]);
  }
}

// Waits until it holds.
export async function until(condition) {
  const end = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `still not so after ${LIMIT_MS} ms: ${condition}`);
    await sleep(2);
  }
}

// The libraries, and how to make a client of a port that is never used itself.
export const LIBRARIES = {
  ioredis: (port, timeout_ms) => new Redis({ port, lazyConnect: true, commandTimeout: timeout_ms }),
  "node-redis": (port, timeout_ms) =>
    createClient({ socket: { port }, commandOptions: timeout_ms && { timeout: timeout_ms } }),
};

// Fills over a client of a library's, closed when the test ends.
export function fillsOf(test, client, options) {
  const fills = new Fill(client, options);
  test.after(() => fills.close());
  return fills;
}

// A computation that says when it has begun, and ends when it is let.
export function gate(value = "made") {
  let [begin, open] = [];
  const begun = new Promise((resolve) => (begin = resolve));
  const opened = new Promise((resolve) => (open = resolve));
  const compute = async () => {
    compute.calls += 1;
    begin();
    await opened;
    if (value instanceof Error) throw value;
    return value;
  };
  return Object.assign(compute, { calls: 0, begun, let: open });
}

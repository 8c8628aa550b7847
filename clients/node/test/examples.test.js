// Each example prints what its header says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import test from "node:test";
import { promisify } from "node:util";
import { Server } from "./support.js";

const EXAMPLES = new URL("../examples/", import.meta.url);

test("each example prints what it says", async (context) => {
  const server = await new Server().start();
  context.after(() => server.stop());
  const names = await readdir(EXAMPLES);
  assert.ok(names.length > 0);
  for (const name of names) {
    const example = new URL(name, EXAMPLES);
    const [, said] = (await readFile(example, "utf8")).split("\n\n")[0].split("// Prints:\n");
    const options = { env: { ...process.env, REDIS_PORT: String(server.port) }, timeout: 30_000 };
    const { stdout, stderr } = await promisify(execFile)("node", [example.pathname], options);
    assert.deepEqual([stdout.trimEnd(), stderr], [said.replace(/^\/\/ +/gm, ""), ""], name);
  }
});

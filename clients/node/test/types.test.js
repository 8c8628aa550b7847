// The types are right, by the compiler's word.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "node:test";

test("what users write has the types that it should have", async () => {
  const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const words = "--noEmit --strict --target es2022 --module nodenext --skipLibCheck --types node types.ts".split(" ");
  const options = { cwd: fileURLToPath(new URL(".", import.meta.url)) };
  // What it says goes to the standard output.
  const said = await promisify(execFile)("node", [compiler, ...words], options).catch((error) => error);
  assert.equal(said.stdout, "");
});

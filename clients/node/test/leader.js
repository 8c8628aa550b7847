// A process that leads the key "page" and never ends: `node leader.js PORT`.

import { Redis } from "ioredis";
import { fill } from "onefill";

await fill(new Redis({ port: Number(process.argv[2]) }), "page", { lease: 600 }, () => {
  console.log("computing");
  return new Promise((resolve) => setTimeout(resolve, 600_000));
});

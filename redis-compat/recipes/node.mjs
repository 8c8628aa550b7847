// Plays a caller of the recipe in docs/clients/node.md: `node node.mjs FOLDER LIBRARY`; redis-compat/recipes.rs says what
// the lines mean.

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, library] = process.argv.slice(2);
const { cached } = await import(pathToFileURL(`${process.env.RECIPE}/recipe.mjs`));
const require = createRequire(resolve(folder, "package.json"));

const connect = {
  async ioredis() {
    const redis = new (require("ioredis").Redis)(process.env.REDIS_URL);
    redis.on("error", () => {});
    return (...words) => redis.call(...words);
  },
  async "node-redis"() {
    const redis = require("redis").createClient({ url: process.env.REDIS_URL });
    redis.on("error", () => {});
    await redis.connect();
    return (...words) => redis.sendCommand(words);
  },
};

const answers = new Map();
async function caller(call, number, key) {
  const compute = async () => {
    console.log(`computing ${number}`);
    const [kind, text] = await answers.get(number).promise;
    if (kind === "fail") throw new Error(text);
    return kind === "value" ? text : null;
  };
  try {
    const value = await cached(call, key, compute);
    console.log(value === null ? `got ${number} none` : `got ${number} value ${value}`);
  } catch (error) {
    console.log(`got ${number} error ${error.message}`);
  }
}

const call = await connect[library]();
for await (const line of createInterface({ input: process.stdin })) {
  const [, what, number, rest] = line.match(/^(\w+) (\w+) (.*)$/);
  if (what === "get") {
    const answer = {};
    answer.promise = new Promise((done) => (answer.give = done));
    answers.set(number, answer);
    caller(call, number, rest);
  } else {
    answers.get(number).give([what, rest]);
  }
}
process.exit(0);

// A fill, step by step: what to send, when to sleep, when to compute.
//
// Owns the rules of docs/fill.md for one caller. Knows no socket and no timer: `io` has
//   send(words, parked)       sends a command, `parked` one that may be held in the server; throws an error with
//                             `isReply` where the server's reply is one, and any other where there is none
//   pause(ms)                 a promise that is kept after so long
//   compute(token, lease_ms)  calls the caller's function; with a token it renews the lease meanwhile
//   now()                     ms on a clock that never jumps
//   breaker                   a Breaker, which all fills of a client share

import { LeftAlone } from "./breaker.js";
import { FillFailed, FillTimeout, FillUnavailable } from "./errors.js";
import { TTL_BOUNDS, checkNumber } from "./options.js";

// SELF: this very connection leads the key already, so look again soon and not at the lease's end.
const SELF_PAUSE_MS = 10;
// Before a request is sent again after trouble; doubled each time, and a random half of it taken off.
const RESEND_PAUSE_MS = 50;
// A failure's message travels to all who wait.
const MESSAGE_CHARACTERS_MAX = 500;

// What others of this process, who joined while the fill was under way, may make of its outcome.
export const SHARED = "it is theirs too";
export const VOID = "the key was written or deleted meanwhile: ask again";
export const PRIVATE = "it must not be shared: compute for yourself";

// What a computation returns for a value that must not be shared: its caller gets the value; everybody else computes
// for itself for `ttl` seconds, and nobody waits for anybody.
export class Uncacheable {
  constructor(value, ttl = 5) {
    checkNumber("ttl", ttl, TTL_BOUNDS);
    this.value = value;
    this.ttl = ttl;
  }
}

// What others are told of a failure.
export const messageOf = (error) => String(error?.message || error);

// A time in seconds as whole milliseconds, 1 at least.
export const milliseconds = (seconds) => Math.max(1, Math.round(seconds * 1000));

// Plays one fill and returns its outcome, `{ encoded, sharing }`: the value as bytes, null for what does not exist.
// `waitMost_s` is the longest that a request may be parked. Throws what the computation threw, or a FillError.
export async function filling(key, options, nonce, waitMost_s, io) {
  const until = io.now() + options.timeout * 1000;
  const wait = Math.min(options.wait, waitMost_s);
  const ask = (...waiting) => ["FILL.GET", key, ...waiting, ...asking(options), "AS", nonce];
  // The first ask is never parked, so that a value that is there does not queue behind others' waits.
  let [words, parked] = [ask("NOWAIT"), false];
  let trouble;
  for (;;) {
    let reply;
    try {
      reply = await sent(words, parked, options, until, io);
    } catch (error) {
      if (error.isReply) throw error;
      trouble = new FillUnavailable(`no answer to FILL.GET: ${error.message}`, { cause: error });
      break;
    }
    const [status, value, token, ms] = [String(reply[0]), reply[1], reply[2], Number(reply[3])];
    if (token !== null) return led(key, String(token), ms, value, options, io);
    if (status === "HIT" || status === "STALE" || status === "NONE") return { encoded: value, sharing: SHARED };
    if (status === "FAIL") throw new FillFailed(String(value), ms / 1000);
    if (status === "PASS") return { encoded: plain(await io.compute(), options), sharing: PRIVATE };
    // Not parked yet: neither WAIT nor SELF says how long to stay away from another connection.
    const toPark = !parked && wait > 0;
    const pause = toPark ? 0 : status === "WAIT" ? ms : SELF_PAUSE_MS;
    if (io.now() + pause >= until) {
      trouble = new FillTimeout(`others did not finish within ${options.timeout} s`);
      break;
    }
    if (pause > 0) await io.pause(pause);
    if (toPark) [words, parked] = [ask("WAIT", String(milliseconds(wait))), true];
  }
  if ((trouble instanceof FillTimeout ? options.onTimeout : options.onError) === "raise") throw trouble;
  options.report?.(trouble);
  return { encoded: plain(await io.compute(), options), sharing: SHARED };
}

function asking({ lease, stale, beta }) {
  return [
    ...(lease === null ? [] : ["LEASE", String(milliseconds(lease))]),
    ...(stale === null ? [] : ["STALE", String(Math.round(stale * 1000))]),
    ...(beta === null ? [] : ["BETA", String(beta)]),
  ];
}

// Computes, then says what came of it; where there is an old value and `background` is set, behind the caller's back.
function led(key, token, lease_ms, old, options, io) {
  const tell = async (name, ...words) => {
    try {
      const until = io.now() + options.timeout * 1000;
      return String(await sent([name, key, token, ...words], false, options, until, io));
    } catch (error) {
      if (error.isReply) throw error;
      // Who computed has its value, or its error. The others are let go when the lease ends.
      options.report?.(error);
      return null;
    }
  };
  const answering = answered(tell, () => io.compute(token, lease_ms), old, options);
  if (old === null || !options.background) return answering;
  answering.catch((error) => options.report?.(error));
  return { encoded: old, sharing: SHARED };
}

// Computes and answers exactly one of PUT, NONE, PASS, FAIL.
async function answered(tell, compute, old, options) {
  const giveUp = async (message, ...retry) => {
    try {
      await tell("FILL.FAIL", message.slice(0, MESSAGE_CHARACTERS_MAX), ...retry);
    } catch (error) {
      options.report?.(error);
    }
  };
  let [outcome, words, said] = [];
  try {
    [outcome, words] = answer(await compute(), options);
  } catch (error) {
    const retry = options.failureTtl > 0 ? ["RETRY", String(milliseconds(options.failureTtl))] : [];
    await giveUp(messageOf(error), ...retry);
    if (old === null) throw error;
    // A refresh that failed: the value that was to be replaced may still be used.
    options.report?.(error);
    return { encoded: old, sharing: SHARED };
  }
  try {
    said = await tell(...words);
  } catch (error) {
    // Such as a full cache. Nobody should wait for a value that was not stored.
    await giveUp(error.message);
    if (options.onError === "raise") throw error;
    options.report?.(error);
  }
  return said === "VOID" && outcome.sharing === SHARED ? { ...outcome, sharing: VOID } : outcome;
}

// What a computed value means for this process, and the command (without key and token) that tells all others.
function answer(value, options) {
  const encoded = plain(value, options);
  if (value instanceof Uncacheable) return [{ encoded, sharing: PRIVATE }, ["FILL.PASS", ...expiry(value.ttl)]];
  if (encoded === null) return [{ encoded, sharing: SHARED }, ["FILL.NONE", ...expiry(options.negativeTtl)]];
  let { ttl } = options;
  if (typeof ttl === "function") {
    ttl = ttl(value) ?? null;
    checkNumber("the TTL that ttl returned", ttl, TTL_BOUNDS, true);
  }
  return [{ encoded, sharing: SHARED }, ["FILL.PUT", encoded, ...expiry(ttl), ...keeping(options)]];
}

function keeping({ idle, grace, jitter }) {
  return [
    ...(idle === null ? [] : ["IDLE", String(milliseconds(idle))]),
    ...(grace === null ? [] : ["GRACE", String(Math.round(grace * 1000))]),
    ...(jitter === null ? [] : ["JITTER", String(jitter)]),
  ];
}

const expiry = (ttl) => (ttl === null ? [] : ["PX", String(milliseconds(ttl))]);

// The value as bytes, whether or not it may be shared.
function plain(value, options) {
  const bare = value instanceof Uncacheable ? value.value : value;
  if (bare === null || bare === undefined) return null;
  const { buffer, byteOffset, byteLength } = options.serializer.encode(bare);
  // Others' serializers return any array of bytes, which the clients would take for a list or a text.
  return Buffer.from(buffer, byteOffset, byteLength);
}

// Sends a command, and after trouble again: FILL's commands may arrive twice (a nonce, a token that answers DUP).
async function sent(words, parked, options, until, io) {
  const { breaker } = io;
  for (let [left, pause] = [options.retries, RESEND_PAUSE_MS]; ; left--, pause *= 2) {
    if (breaker.isOpen(options)) throw new LeftAlone();
    try {
      const reply = await io.send(words, parked);
      breaker.answered();
      return reply;
    } catch (error) {
      if (error.isReply) breaker.answered();
      if (error.isReply || breaker.failed(options) || left === 0 || io.now() + pause >= until) throw error;
    }
    await io.pause(pause * (0.5 + Math.random() / 2));
  }
}

// The options of a fill: names, defaults, bounds. docs/packages.md explains them, for Python and Node.js alike.
// All times are in seconds; fractions are allowed.

import { serializerOf } from "./serializers.js";

// `null` leaves a choice to the server's settings, or means "for ever" for a TTL.
export const DEFAULTS = Object.freeze({
  ttl: 60,
  grace: null,
  idle: null,
  jitter: null,
  negativeTtl: 5,
  failureTtl: 1,
  stale: null,
  beta: null,
  background: false,
  wait: 0.2,
  lease: null,
  renew: 60,
  timeout: 10,
  retries: 2,
  onError: "compute",
  onTimeout: "raise",
  breaker: 5,
  breakerPause: 1,
  serializer: "json",
  report: null,
});

// 31 years: what goes into a command must be an integer of milliseconds.
const LONGEST_S = 1e9;

// What a number must be at least and at most. The server's own bounds, where it has some (docs/fill.md).
const BOUNDS = {
  ttl: [0.001, LONGEST_S],
  grace: [0, LONGEST_S],
  idle: [0.001, LONGEST_S],
  jitter: [0, 100],
  negativeTtl: [0, LONGEST_S],
  failureTtl: [0, LONGEST_S],
  stale: [0, LONGEST_S],
  beta: [0, 1000],
  wait: [0, 60],
  lease: [0.01, 600],
  renew: [0, LONGEST_S],
  timeout: [0, LONGEST_S],
  retries: [0, 100],
  breaker: [0, 1_000_000],
  breakerPause: [0, LONGEST_S],
};
const WHOLE = ["retries", "breaker"];

const MAY_BE_NULL = ["ttl", "negativeTtl"];
const RAISE_OR_COMPUTE = ["onError", "onTimeout"];

// What may differ between two callers of a process that wait for one answer is all but these.
const OF_WHO_ASKS = ["stale", "timeout", "onError", "onTimeout"];

// These options with some replaced and all checked; what is undefined stays as it is. Throws RangeError out of bounds,
// TypeError for an unknown name.
export function changed(options, overrides) {
  if (overrides === undefined) return options;
  const chosen = { ...options };
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(DEFAULTS, name)) throw new TypeError(`there is no option ${name}`);
    if (value !== undefined) chosen[name] = value;
  }
  for (const [name, bounds] of Object.entries(BOUNDS)) {
    if (name === "ttl" && typeof chosen.ttl === "function") continue;
    const none = DEFAULTS[name] === null || MAY_BE_NULL.includes(name);
    checkNumber(name, chosen[name], bounds, none);
  }
  for (const name of WHOLE) {
    if (!Number.isInteger(chosen[name])) throw new RangeError(`${name} is a whole number: ${chosen[name]}`);
  }
  for (const name of RAISE_OR_COMPUTE) {
    if (!["raise", "compute"].includes(chosen[name])) throw new RangeError(`${name} is raise or compute`);
  }
  chosen.serializer = serializerOf(chosen.serializer);
  return Object.freeze(chosen);
}

// Whether what a fill with the one's options finds, and when it gives up, is right for the other too.
export const asksLike = (one, other) => OF_WHO_ASKS.every((name) => one[name] === other[name]);

// Throws RangeError unless the value is a number within its bounds, or null where that is allowed.
export function checkNumber(name, value, [least, most], none = false) {
  if (value === null && none) return;
  if (typeof value === "number" && value >= least && value <= most) return;
  throw new RangeError(`${name} is a number from ${least} to ${most}: ${value}`);
}

// What a TTL must be that does not come as an option.
export const TTL_BOUNDS = BOUNDS.ttl;

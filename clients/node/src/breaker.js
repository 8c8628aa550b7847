// A server that does not answer is left alone for a while, so that its callers need not wait for it each time.

// No request was sent: the last ones had no answer.
export class LeftAlone extends Error {
  constructor() {
    super("the last requests had no answer, and the server is left alone for a while");
  }
}

// Counts requests without an answer, all callers' of a client together; knows no server. After `breaker` of them in a
// row nothing is sent for `breakerPause` seconds; then one caller tries, and the others follow if it gets an answer.
// An error reply is an answer.
export class Breaker {
  #now;
  #failures = 0;
  #leftUntil = 0;

  // `now` returns ms on a clock that never jumps.
  constructor(now) {
    this.#now = now;
  }

  // Whether the server is left alone. Where not for the first time, whoever hears false is the one who tries.
  isOpen(options) {
    if (!this.#hasTripped(options)) return false;
    if (this.#now() < this.#leftUntil) return true;
    // Until this one has tried the others stay away; should it never come back, somebody tries after a pause.
    this.#leftUntil = this.#now() + options.breakerPause * 1000;
    return false;
  }

  // The server has answered.
  answered() {
    this.#failures = 0;
  }

  // It has not. Returns whether it is to be left alone now.
  failed(options) {
    this.#failures += 1;
    if (!this.#hasTripped(options)) return false;
    this.#leftUntil = this.#now() + options.breakerPause * 1000;
    return true;
  }

  #hasTripped({ breaker }) {
    return breaker > 0 && this.#failures >= breaker;
  }
}

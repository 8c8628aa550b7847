// What `fill` throws beside the errors of the caller's own function.

// The common base: catch it to catch all below.
export class FillError extends Error {
  get name() {
    return this.constructor.name;
  }
}

// Whoever computed the value failed, and shares the failure. After `retryAfter` seconds somebody is let try again.
export class FillFailed extends FillError {
  constructor(message, retryAfter, options) {
    super(message, options);
    this.retryAfter = retryAfter;
  }
}

// The server could not be asked: it is down, cannot be reached, or answers too late. `cause` says which.
export class FillUnavailable extends FillError {}

// Others were still computing the value when `timeout` was over.
export class FillTimeout extends FillUnavailable {}

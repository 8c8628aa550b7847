// How values become bytes: a table of names, and any object with `encode` and `decode`.
// What the leader of a fill gets is decoded from what it encoded, so that it sees what all others see.

function asBytes(value) {
  if (typeof value === "string") return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`a value of type ${typeof value} needs a codec: codec: "json" or one of your own`);
}

export const CODECS = {
  // A copy, since callers of one process may share what was read.
  bytes: { encode: asBytes, decode: (bytes) => Buffer.from(bytes) },
  text: { encode: asBytes, decode: (bytes) => bytes.toString() },
  json: { encode: (value) => Buffer.from(JSON.stringify(value)), decode: (bytes) => JSON.parse(bytes.toString()) },
};

// The codec of this name, or the object itself; throws RangeError where it is neither.
export function codecOf(codec) {
  if (typeof codec === "string" && Object.hasOwn(CODECS, codec)) return CODECS[codec];
  if (typeof codec?.encode === "function" && typeof codec?.decode === "function") return codec;
  throw new RangeError(`codec is one of ${Object.keys(CODECS).join(", ")}, or has encode and decode`);
}

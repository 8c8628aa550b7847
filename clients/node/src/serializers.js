// How values become bytes: a table of names, and any object with `encode` and `decode`.
// What the leader of a fill gets is decoded from what it encoded, so that it sees what all others see.

function asBytes(value) {
  if (typeof value === "string") return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`a value of type ${typeof value} needs another serializer, such as "json"`);
}

export const SERIALIZERS = {
  // A copy, since callers of one process may share what was read.
  bytes: { encode: asBytes, decode: (bytes) => Buffer.from(bytes) },
  str: { encode: asBytes, decode: (bytes) => bytes.toString() },
  json: { encode: (value) => Buffer.from(JSON.stringify(value)), decode: (bytes) => JSON.parse(bytes.toString()) },
};

// The serializer of this name, or the object itself; throws RangeError where it is neither.
export function serializerOf(serializer) {
  if (typeof serializer === "string" && Object.hasOwn(SERIALIZERS, serializer)) return SERIALIZERS[serializer];
  if (typeof serializer?.encode === "function" && typeof serializer?.decode === "function") return serializer;
  throw new RangeError(`serializer is one of ${Object.keys(SERIALIZERS).join(", ")}, or has encode and decode`);
}

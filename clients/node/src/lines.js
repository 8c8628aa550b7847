// Connections of a fill's own: the same server and rights as the client's, but parked reads hold up nobody else.
//
// Owns opening, losing and closing them, over ioredis and node-redis (the table LIBRARIES). Knows no command. Clients
// of a cluster, which are no connection but many, are refused.
// One line serves all that is answered at once; up to PARKING_MAX others hold parked requests, behind which the replies
// to later ones queue. A line that is lost is opened anew by the next request: the client's own way of reconnecting
// keeps requests for minutes, where a fill has `retries` and `timeout`.

const PARKING_MAX = 8;
// Where the client sets no reply time-out: a server that hangs must not hang its callers.
const REPLY_TIMEOUT_MS = 5000;
// The type of bulk strings in node-redis's table of types: "$".
const BULK_STRING = 36;

const ioredis = {
  is: (client) => typeof client?.callBuffer === "function",
  replyTimeout_ms: (client) => client.options.commandTimeout,
  prefix: (client) => client.options.keyPrefix ?? "",
  async open(client, lost) {
    const own = client.duplicate({
      lazyConnect: true,
      keyPrefix: "",
      commandTimeout: undefined,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
    });
    own.on("error", () => {});
    own.on("end", lost);
    await own.connect();
    own.stream.unref?.();
    return {
      send: ([name, ...words]) => own.callBuffer(name, ...words),
      close: () => own.disconnect(),
    };
  },
  isReply: (error) => error.name === "ReplyError",
};

const nodeRedis = {
  is: (client) => typeof client?.sendCommand === "function" && typeof client.connect === "function",
  replyTimeout_ms: (client) => client.options?.commandOptions?.timeout,
  prefix: () => "",
  async open(client, lost) {
    const own = client.duplicate({
      RESP: 2,
      clientSideCache: undefined,
      maintNotifications: "disabled",
      commandOptions: undefined,
      disableOfflineQueue: true,
      socket: { ...client.options?.socket, reconnectStrategy: false },
    });
    own.on("error", lost);
    own.on("end", lost);
    await own.connect();
    own.unref();
    return {
      send: (words) => own.sendCommand(words, { typeMapping: { [BULK_STRING]: Buffer } }),
      close: () => own.isOpen && own.destroy(),
    };
  },
  isReply: (error) => /^(ErrorReply|SimpleError|BlobError)$/.test(error.constructor?.name),
};

const LIBRARIES = [ioredis, nodeRedis];

// ioredis's says so, node-redis's has masters.
const isCluster = (client) => Boolean(client?.isCluster || client?.masters);

// All connections of one client's fills.
export class Lines {
  #library;
  #client;
  #direct;
  #parking = [];

  // Throws TypeError for a client of another kind.
  constructor(client) {
    this.#client = client;
    this.#library = LIBRARIES.find((library) => library.is(client) && !isCluster(client));
    if (!this.#library) throw new TypeError("the client is none of ioredis's Redis and node-redis's createClient()");
    this.replyTimeout_ms = this.#library.replyTimeout_ms(client) ?? REPLY_TIMEOUT_MS;
    this.prefix = this.#library.prefix(client);
    this.#direct = this.#line();
  }

  // Sends a command and returns its reply, bulk strings as buffers. An error is the server's reply if `isReply`.
  async send(words, parked = false) {
    try {
      return await (parked ? this.#calmest() : this.#direct).send(words);
    } catch (error) {
      if (this.#library.isReply(error)) error.isReply = true;
      throw error;
    }
  }

  // Closes the connections. They are opened again when they are needed.
  close() {
    for (const line of [this.#direct, ...this.#parking]) line.close();
  }

  #calmest() {
    const calmest = this.#parking.reduce((best, line) => (best && best.busy <= line.busy ? best : line), undefined);
    if (calmest?.busy === 0 || this.#parking.length === PARKING_MAX) return calmest;
    const line = this.#line();
    this.#parking.push(line);
    return line;
  }

  #line() {
    return new Line((lost) => this.#library.open(this.#client, lost), this.replyTimeout_ms);
  }
}

// A connection that is opened by the first request, and again by the first one after it was lost.
class Line {
  #open;
  #timeout_ms;
  #connection;
  busy = 0; // requests without their reply

  constructor(open, timeout_ms) {
    this.#open = open;
    this.#timeout_ms = timeout_ms;
  }

  async send(words) {
    this.busy += 1;
    this.#connection ??= this.#connected();
    const connection = this.#connection;
    try {
      return await this.#inTime(connection.then((opened) => opened.send(words)));
    } catch (error) {
      // A server that does not answer in time may never do so on this connection.
      if (error instanceof ReplyTimeout) this.#drop(connection);
      throw error;
    } finally {
      this.busy -= 1;
    }
  }

  close() {
    if (this.#connection) this.#drop(this.#connection);
  }

  #connected() {
    const connection = this.#open(() => this.#forget(connection));
    connection.catch(() => this.#forget(connection));
    return connection;
  }

  #forget(connection) {
    if (this.#connection === connection) this.#connection = undefined;
  }

  #drop(connection) {
    this.#forget(connection);
    connection.then((opened) => opened.close()).catch(() => {}); // what never opened needs no closing
  }

  // The timer also keeps the process alive for the reply: the sockets of idle lines don't.
  #inTime(reply) {
    return new Promise((resolve, reject) => {
      const late = () => reject(new ReplyTimeout(`no reply within ${this.#timeout_ms} ms`));
      const timer = setTimeout(late, this.#timeout_ms);
      reply.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

class ReplyTimeout extends Error {}

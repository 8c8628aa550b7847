// The page: asks for the state once, hears each second what has changed, and shows it.
// What clients chose (keys, names, words) becomes text, never markup.
"use strict";

const HISTORY_S = 300; // what the lines show
const LINE_S_MIN = 30; // a line begins at the left once there is so much of it
const AGAIN_MS = 2000; // after a stream that broke
const $ = (id) => document.getElementById(id);
const history_ = []; // {at, counters}, one a second
let state = {};
let asking = null; // the stream that is open
let token = sessionStorage.getItem("token");

// Numbers for people.
const count = (n) => n >= 1e9 ? (n / 1e9).toFixed(1) + " G" : n >= 1e6 ? (n / 1e6).toFixed(1) + " M" : n >= 1e4 ? (n / 1e3).toFixed(1) + " k" : String(Math.round(n));
const bytes = (n) => { let unit = 0; while (n >= 1024 && unit < 4) { n /= 1024; unit++; } return (unit ? n.toFixed(1) : n) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit]; };
const micros = (us) => us == null ? "–" : us >= 1e6 ? (us / 1e6).toFixed(2) + " s" : us >= 1000 ? (us / 1000).toFixed(1) + " ms" : us.toFixed(us < 10 ? 1 : 0) + " µs";
const millis = (ms) => micros(ms * 1000);
const share = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(part === whole ? 0 : 1) + " %" : "–";
const ago = (s) => s < 90 ? Math.round(s) + " s" : s < 5400 ? Math.round(s / 60) + " min" : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " days";

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text != null) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// A table: heads that begin with "#" are of numbers. Says so where there is nothing.
function table(id, heads, rows, nothing) {
  const body = [element("tr")];
  for (const head of heads) body[0].append(element("th", head.replace("#", ""), head[0] === "#" ? "n" : ""));
  for (const row of rows) {
    const line = element("tr");
    row.forEach((cell, at) => line.append(element("td", cell, heads[at][0] === "#" ? "n" : heads[at] === "key" ? "key" : "")));
    body.push(line);
  }
  if (!rows.length) { const line = element("tr"); line.append(element("td", nothing, "quiet")); body.splice(0, 1, line); }
  $(id).replaceChildren(...body);
}

function facts(id, pairs) {
  $(id).replaceChildren(...pairs.map(([name, value]) => { const one = element("div"); one.append(element("dt", name), element("dd", value)); return one; }));
}

// A band whose parts are as wide as their figures, and its legend.
function band(id, legend, parts, show) {
  const whole = parts.reduce((sum, [, figure]) => sum + figure, 0);
  const used = parts.filter(([, figure]) => figure > 0);
  $(id).replaceChildren(...used.map(([name, figure, color]) => { const part = element("i", null, color); part.style.width = 100 * figure / whole + "%"; part.title = name + ": " + show(figure); return part; }));
  $(legend).replaceChildren(...used.map(([name, figure, color]) => { const line = element("li"); line.append(element("i", null, color), name + " " + show(figure)); return line; }));
}

// A figure with its line over the last minutes.
function tile(name, value, note, points) {
  const made = element("div", null, "tile");
  made.append(element("span", name), element("b", value), element("span", note));
  const space = "http:" + "//www.w3.org/2000/svg"; // a name, not an address
  const chart = document.createElementNS(space, "svg"), line = document.createElementNS(space, "path");
  chart.setAttribute("viewBox", "0 0 " + HISTORY_S + " 100");
  chart.setAttribute("preserveAspectRatio", "none");
  chart.setAttribute("aria-hidden", "true");
  const most = Math.max(1e-9, ...points.map(([, y]) => y));
  const longest = Math.max(LINE_S_MIN, ...points.map(([x]) => x));
  line.setAttribute("d", points.map(([x, y], at) => (at ? "L" : "M") + (HISTORY_S * (1 - x / longest)).toFixed(1) + " " + (97 - 94 * y / most).toFixed(1)).join(""));
  chart.append(line);
  made.append(chart);
  return made;
}

// How much a counter, or a sum of some, grew per second between two looks.
const sum = (counters, names) => names.reduce((all, name) => all + (counters[name] || 0), 0);
function rate(names, from, to) {
  if (!from || to.at <= from.at) return 0;
  return Math.max(0, sum(to.counters, names) - sum(from.counters, names)) / (to.at - from.at);
}
function rates(names) {
  const now = history_.at(-1), points = [];
  for (let at = 1; at < history_.length; at++) points.push([now.at - history_[at].at, rate(names, history_[at - 1], history_[at])]);
  return points;
}
function ratios(part, whole) {
  const now = history_.at(-1), points = [];
  for (let at = 1; at < history_.length; at++) {
    const all = rate(whole, history_[at - 1], history_[at]);
    if (all > 0) points.push([now.at - history_[at].at, rate(part, history_[at - 1], history_[at]) / all]);
  }
  return points;
}

// Values that were there, and all that were looked for, by GET and its kin and by FILL.GET.
const HITS = ["keyspace_hits", "fill_hits", "fill_stale", "fill_refreshes"];
const LOOKS = ["keyspace_hits", "keyspace_misses", "fill_gets"];
const SAVED = ["fill_coalesced", "fill_stale", "fill_none", "fill_fail"];
const STATUSES = [["hits", "c0"], ["leads", "c5"], ["refreshes", "c3"], ["stale", "c2"], ["none", "c4"], ["fail", "c7"], ["pass", "c6"], ["wait", "c8"], ["self", "c1"]];

function draw() {
  const { server, warnings, counters, fills, memory, clients, keys } = state;
  const now = history_.at(-1), before = history_.at(-2) || now, recent = history_.find((look) => now.at - look.at <= 10) || before;
  const grows = (...names) => rate(names, recent, now);
  const worst = warnings.some((one) => one.bad) ? "bad" : warnings.length ? "warn" : "good";
  $("light").className = "light " + worst;
  $("verdict").textContent = worst === "good" ? "Healthy: it serves, and nothing is out of the ordinary."
    : worst === "warn" ? "It serves. Something could be better:" : "Something is wrong:";
  $("version").textContent = server.version;
  $("about").textContent = server.role + " on port " + server.port + ", " + server.workers + " workers, up for " + ago((server.now_ms - server.started_ms) / 1000)
    + ", " + count(server.dbs.reduce((all, db) => all + db[1], 0)) + " keys. Nothing is saved on disk.";
  document.title = (worst === "good" ? "" : worst === "bad" ? "✕ " : "! ") + "Onefill " + server.port;
  $("warnings").replaceChildren(...warnings.map((one) => element("li", one.text, one.bad ? "bad" : "")));

  const first = history_[0];
  const hits = (from) => share(rate(HITS, from, now), rate(LOOKS, from, now));
  $("tiles").replaceChildren(
    tile("Hit ratio", hits(recent), "5 min: " + hits(first), ratios(HITS, LOOKS)),
    tile("Commands per second", count(grows("total_commands_processed")), "in " + bytes(grows("total_net_input_bytes")) + "/s, out " + bytes(grows("total_net_output_bytes")) + "/s", rates(["total_commands_processed"])),
    tile("Fills saved per second", count(grows(...SAVED)), "since the start: " + count(sum(counters, SAVED)), rates(SAVED)),
    tile("Memory", bytes(memory.used), memory.limit ? share(memory.used, memory.limit) + " of " + bytes(memory.limit) : "no limit is set", history_.map((look) => [now.at - look.at, look.used])),
    tile("Errors per second", count(grows("total_error_replies")), "clients: " + count(clients.connected), rates(["total_error_replies"])));

  $("fills-note").textContent = counters.fill_gets ? "answers to FILL.GET in the last 10 seconds" : "nobody has asked with FILL.GET yet";
  const perStatus = STATUSES.map(([name, color]) => [name, grows("fill_" + name), color]);
  band("band", "legend", perStatus, (figure) => figure.toFixed(figure < 10 ? 1 : 0) + "/s");
  facts("fills", [
    ["under way", fills.open + " flights, " + fills.waiters + " callers wait"],
    ["a fill takes", "p50 " + millis(fills.fill_ms.p50) + ", p99 " + millis(fills.fill_ms.p99)],
    ["a caller waits", "p50 " + millis(fills.wait_ms.p50) + ", p99 " + millis(fills.wait_ms.p99)],
    ["turned away", count(grows("fill_shed_waiters", "fill_shed_flights", "fill_shed_leases", "fill_shed_memory", "fill_shed_slots")) + "/s"],
  ]);
  const hidden = "shown to this machine, or with a token";
  const oldest = keys && keys.oldest;
  $("oldest").replaceChildren(...(oldest ? [element("p", "The oldest has been under way for " + millis(oldest.age_ms) + ": " + oldest.key + (oldest.leader ? ", led by " + (oldest.leader_name ? oldest.leader_name + " at " : "") + oldest.leader : ", nobody leads it"), "key")] : []));
  table("top", ["key", "#fills saved"], (keys ? keys.top : []).map(([key, saved]) => [key, count(saved)]), keys ? "none yet" : hidden);
  table("commands", ["command", "#calls/s", "#p50", "#p99", "#p99.9"], state.commands.map((one) => [one.name.toUpperCase(), count(one.per_second), micros(one.p50_us), micros(one.p99_us), micros(one.p999_us)]), "nothing runs");
  table("errors", ["code", "#since the start"], Object.entries(state.errors).map(([code, times]) => [code, count(times)]), "none");

  $("memory-note").textContent = memory.limit ? "limit " + bytes(memory.limit) + ", " + memory.policy : "no limit: set maxmemory";
  band("memory-band", "memory-legend", memory.parts.map(([name, figure], at) => [name, figure, "c" + at]), bytes);
  facts("memory", [
    ["resident", bytes(memory.resident)], ["peak", bytes(memory.peak)],
    ["evicted", count(grows("evicted_keys")) + "/s"], ["of those asked for again", count(grows("evicted_keys_missed")) + "/s"],
    ["expired", count(grows("expired_keys")) + "/s"],
  ]);

  $("clients-note").textContent = clients.connected + " of at most " + clients.limit + ", " + clients.blocked + " wait, " + clients.subscribers + " listen";
  const busy = (at) => now.busy[at] == null || !recent.busy || now.at <= recent.at ? "–" : share(Math.min(1, (now.busy[at] - recent.busy[at]) / 1000 / (now.at - recent.at)), 1);
  table("workers", ["worker", "#connections", "#busy"], clients.workers.map(([connections], at) => [String(at), connections, busy(at)]), "none");
  table("clients", ["address", "name", "#buffers", "last command", "#idle"], (state.clients_list || []).map(([, addr, name, held, command, idle]) => [addr, name, bytes(held), command || "–", idle < 1000 ? "–" : ago(idle / 1000)]), state.clients_list ? "nobody is connected" : hidden);

  const slow = state.slow;
  table("slow", ["when", "#took", "key", "from"], (slow ? slow.entries : []).map((one) => [ago(server.now_ms / 1000 - one.wall_s) + " ago", micros(one.us), one.words.join(" "), one.addr]), slow ? "none was slower than slowlog-log-slower-than" : hidden);
  $("doctor").textContent = slow ? slow.doctor : "";
  table("settings", ["setting", "value", "default"], state.settings || [], state.settings ? "none" : hidden);
}

function hear(changed) {
  Object.assign(state, changed);
  const at = state.server.now_ms / 1000;
  if (history_.length && at <= history_.at(-1).at) return;
  history_.push({ at, counters: state.counters, used: state.memory.used, busy: state.clients.workers.map((worker) => worker[1]) });
  while (at - history_[0].at > HISTORY_S) history_.shift();
  $("main").hidden = false;
  $("login").hidden = true;
  draw();
}

function lost(why) {
  $("light").className = "light bad";
  $("verdict").textContent = why;
}

async function listen() {
  const mine = asking = new AbortController();
  try {
    const answer = await fetch("/events", { headers: token ? { Authorization: "Bearer " + token } : {}, signal: mine.signal });
    if (answer.status === 401) {
      sessionStorage.removeItem("token");
      $("login").hidden = false;
      $("main").hidden = true;
      lost(token ? "That is not the token." : "A token is needed.");
      token = null;
      asking = null;
      return;
    }
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream ended");
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) hear(JSON.parse(event.slice("data: ".length)));
    }
  } catch (error) {
    if (mine !== asking) return;
    lost("The server does not answer (" + error.message + "). Trying again…");
    setTimeout(() => mine === asking && listen(), AGAIN_MS);
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("token", token);
  listen();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { const open = asking; asking = null; if (open) open.abort(); }
  else if (!asking) listen();
});
listen();

// Clients of a server: some post, one reads, one listens. Each says how long it had to wait, and what went wrong.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const POST = `mutation { postEntry(input: { lines: [
  { debit: { code: "cash" }, credit: { code: "alice" }, amount: "1", currency: "EUR" }
] }) { entry { id } } }`;
const READ = `{ account(by: { code: "alice" }) { balances { version } } }`;
const FEED = `subscription ($after: String) { entryPosted(after: $after) { cursor entry { id } } }`;
const open = (code, side) => `mutation { openAccount(input: { code: "${code}", name: "x", currency: "EUR", normalSide: ${side} }) { account { id } } }`;

export class Clients {
  /** What was acknowledged, by the entries' ids. */
  acknowledged = new Set();
  heard = new Set();
  /** How many entries were posted before the listener began. */
  before = 0;
  problems = [];
  /** The longest wait of this phase, in seconds. */
  longest = { post: 0, read: 0, silence: 0 };
  /** Operations that were told that nothing happened, and why. */
  refused = [];
  #isOver = false;
  #listens = new AbortController();
  #tasks = [];
  #lastHeard = Date.now();

  constructor(base) {
    this.base = base;
  }

  async run(query, headers = {}) {
    const response = await fetch(`${this.base}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ query }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new Error(`${errors[0].extensions?.code}: ${errors[0].message}`);
    return data;
  }

  async begin() {
    for (const [code, side] of [["cash", "DEBIT"], ["alice", "CREDIT"]]) await this.run(open(code, side));
    const listening = this.#listening();
    // A stream begins with what is posted next, and does not say when that is.
    while (!this.heard.size) {
      const { postEntry } = await this.run(POST);
      this.acknowledged.add(postEntry.entry.id);
      await sleep(200);
    }
    this.before = [...this.acknowledged].filter((id) => !this.heard.has(id)).length;
    for (let n = 0; n < 3; n += 1) this.#tasks.push(this.#posting());
    this.#tasks.push(this.#reading(), listening);
  }

  async #timed(kind, query, headers) {
    const began = Date.now();
    try {
      return await this.run(query, headers);
    } catch (error) {
      const isRefused = /^(DEADLINE_EXCEEDED|DATABASE_UNAVAILABLE):/.test(error.message);
      (isRefused ? this.refused : this.problems).push(`${kind}: ${error.message}`);
      return null;
    } finally {
      this.longest[kind] = Math.max(this.longest[kind], (Date.now() - began) / 1000);
    }
  }

  async #posting() {
    for (; !this.#isOver; await sleep(10)) {
      const data = await this.#timed("post", POST, { "idempotency-key": `"${randomUUID()}"` });
      if (data) this.acknowledged.add(data.postEntry.entry.id);
    }
  }

  /** A version that was seen is never followed by an older one. */
  async #reading() {
    for (let seen = 0; !this.#isOver; await sleep(10)) {
      const data = await this.#timed("read", READ);
      const version = Number(data?.account.balances.version ?? seen);
      if (version < seen) this.problems.push(`read: ${version} after ${seen}`);
      seen = version;
    }
  }

  /** The stream must not end, and not have an error. */
  async #listening() {
    const response = await fetch(`${this.base}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: FEED, variables: { after: null } }),
      signal: this.#listens.signal,
    });
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        const json = event.split("\n").find((line) => line.startsWith("data:"))?.slice(5).trim();
        if (!json) continue;
        const { data, errors } = JSON.parse(json);
        if (errors) this.problems.push(`feed: ${errors[0].message}`);
        const id = data?.entryPosted?.entry.id;
        if (!id) continue;
        if (this.heard.has(id)) this.problems.push(`feed: ${id} was heard twice`);
        this.heard.add(id);
        this.longest.silence = Math.max(this.longest.silence, (Date.now() - this.#lastHeard) / 1000);
        this.#lastHeard = Date.now();
      }
    }
    this.problems.push("feed: the stream ended");
  }

  /** Ends when everything that was acknowledged was heard, or after half a minute. */
  async end() {
    const [listening] = this.#tasks.splice(-1);
    this.#isOver = true;
    await Promise.all(this.#tasks);
    for (const until = Date.now() + 30_000; this.heard.size + this.before < this.acknowledged.size && Date.now() < until; ) await sleep(100);
    this.#listens.abort();
    await listening.catch((error) => {
      if (error.name !== "AbortError") this.problems.push(`feed: ${error.message}`);
    });
  }
}

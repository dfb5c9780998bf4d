// The ways to ask Daybook: its server over HTTP, and programs that answer a line with a line.
import { spawn } from "node:child_process";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { serve } from "../clients/server.js";

/** A program that answers each line of JSON with one that has the same `id`. */
export class Lines {
  #asked = new Map();
  #next = 0;
  #child;
  #ended;

  constructor(binary, args = []) {
    this.#child = spawn(binary, args, { stdio: ["pipe", "pipe", "inherit"] });
    process.once("exit", () => this.#child.kill("SIGKILL"));
    this.#ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.once("error", (error) => this.#fail(error));
    this.#child.once("exit", (code, signal) => this.#fail(new Error(`${binary} ended with ${code ?? signal}`)));
    this.#child.stdin.on("error", () => {});
    createInterface(this.#child.stdout).on("line", (line) => {
      const answer = JSON.parse(line);
      this.#asked.get(answer.id)?.resolve(answer);
      this.#asked.delete(answer.id);
    });
  }

  #fail(error) {
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }

  /** Says a line that is not answered. */
  tell(value) {
    this.#child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  /** `variables` is the text of JSON, sent as it is. */
  ask(question, variables = "{}") {
    const id = this.#next++;
    const text = JSON.stringify({ id, ...question });
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#child.stdin.write(`${text.slice(0, -1)},"variables":${variables}}\n`);
    });
  }

  async stop() {
    this.#child.stdin.end();
    await this.#ended;
  }
}

const found = (valid, errors = []) => ({ valid, errors });

/** The `judge` of the crate: `{ valid, errors, normalised, variables, measure }` for each document. */
export function judge(binary, sdl) {
  const lines = new Lines(binary);
  lines.tell({ sdl });
  return {
    verdict: (document) => lines.ask({ document }),
    ask: (question, variables) => lines.ask(question, variables),
    stop: () => lines.stop(),
  };
}

// No document has it: an operation of this name cannot run, and is missed only after validation.
const NO_OPERATION = "__none";
const REFUSED = new Set(["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"]);

/** The toy, asked for an operation that is not there. */
export function toyVerdict(toy) {
  return {
    async verdict(document) {
      const { responses: [{ errors }] } = await toy.ask({ document, operationName: NO_OPERATION });
      return found(errors.some((error) => error.extensions?.code === "OPERATION_RESOLUTION_FAILURE" || /nknown operation/.test(error.message)), errors);
    },
    stop: () => toy.stop(),
  };
}

const LIMITS = ["tokens", "depth", "complexity", "aliases", "root-fields", "directives"];

/** The real server with limits that no random document reaches, but for those that are given. */
export async function server(given = {}) {
  const limits = LIMITS.flatMap((limit) => [`--max-${limit}`, `${given[limit] ?? 1_000_000}`]);
  const daybook = await serve(...limits);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const post = (body, headers = {}) => new Promise((resolve, reject) => {
    const call = request(daybook.url, { method: "POST", agent, headers: { "content-type": "application/json", ...headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => resolve({ text, type: response.headers["content-type"] }));
    });
    call.on("error", reject);
    call.end(body);
  });
  return {
    url: daybook.url,
    post,
    async verdict(document) {
      const { text } = await post(JSON.stringify({ query: document, operationName: NO_OPERATION }));
      const { errors } = JSON.parse(text);
      const codes = errors.map((error) => error.extensions?.code);
      if (!codes.every((code) => REFUSED.has(code) || code === "OPERATION_RESOLUTION_FAILURE")) throw new Error(`neither refused nor missing: ${text}`);
      return { ...found(!codes.some((code) => REFUSED.has(code)), errors), limit: errors.some((error) => error.extensions?.limit) };
    },
    async stop() {
      agent.destroy();
      await daybook.stop();
    },
  };
}

// graphql-js beside Daybook: `node oracle.js --part validation|execution|normalised|limits|cases|requests --schema daybook|toy --documents N --seed S`.
import { parseArgs } from "node:util";
import { Lines, judge, server, toyVerdict } from "./ask.js";
import * as limits from "./limits.js";
import { load } from "./schemas.js";
import * as cases from "./cases.js";
import * as execution from "./execution.js";
import * as validation from "./validation.js";

const { values: options } = parseArgs({
  options: {
    part: { type: "string", default: "validation" },
    schema: { type: "string", default: "toy" },
    documents: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    // Runs these alone, and shows what is said of them.
    case: { type: "string", multiple: true },
    // Whom to ask: the crate's `judge`, which knows no more than the SDL; the server (for the toy's schema, the toy); or, of the toy,
    // async-graphql alone.
    ask: { type: "string", default: "judge" },
    // Writes what graphql-js says into the kept cases.
    record: { type: "boolean", default: false },
  },
});

function binary(name) {
  const path = process.env[name];
  if (!path) throw new Error(`${name} names the program to ask: run .ci/oracle`);
  return path;
}

const toy = () => new Lines(binary("TOY_BIN"), options.ask === "engine" ? ["--engine"] : []);
const target = load(options.schema, { anyScalars: options.ask === "judge" && options.part !== "execution" && options.part !== "requests" });
const settings = {
  documents: Number(options.documents),
  seed: Number(options.seed),
  record: options.record,
  cases: options.case?.flatMap((list) => list.split(",")).map(Number),
};

/** `work` with whom to ask about documents. */
async function asking(work) {
  const asker = options.ask === "judge" ? judge(binary("JUDGE_BIN"), target.sdl) : options.schema === "toy" ? toyVerdict(toy()) : await server();
  try {
    return await work(asker);
  } finally {
    await asker.stop();
  }
}

async function answering(work) {
  const asker = toy();
  try {
    return await work(asker);
  } finally {
    await asker.stop();
  }
}

/** Over the toy, or over the real server with a ledger that is filled before. */
async function measure() {
  const asker = judge(binary("JUDGE_BIN"), target.sdl);
  const answering = target.name === "toy" ? toy() : await server();
  try {
    if (target.name === "daybook") await limits.fill(answering);
    const answer = target.name === "toy"
      ? async (document, { variables, ...rest }) => (await answering.ask({ document, ...rest }, variables)).responses
      : async (query, { variables, operationName }) => [JSON.parse((await answering.post(`${JSON.stringify({ query, operationName }).slice(0, -1)},"variables":${variables}}`)).text)];
    return await limits.run(target, asker, answer, settings);
  } finally {
    await answering.stop();
    await asker.stop();
  }
}

const PARTS = {
  validation: () => asking((asker) => validation.run(target, asker, settings)),
  execution: () => answering((toy) => execution.run(load("toy"), toy, settings)),
  limits: measure,
  normalised: () => asking((asker) => execution.run(target, execution.normalised(target, asker), settings)),
  cases: () => asking((asker) => cases.run(target, asker, settings)),
  requests: () => answering((toy) => cases.runRequests(load("toy"), toy, settings)),
};
console.log(`${options.part} of ${options.documents} documents over ${options.schema}, seed ${options.seed}`);
const report = await PARTS[options.part]();
process.exitCode = report.differences === 0 ? 0 : 1;

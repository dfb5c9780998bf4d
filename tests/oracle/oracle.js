// graphql-js beside Daybook: `node oracle.js --part validation|execution|normalised|limits|bounded|cases|requests --schema daybook|toy --documents N --seed S`.
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
    // Whom to ask: the crate's `judge`, which does not know Daybook's scalars; the server (for the toy's schema, the toy); or, of the toy,
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
const target = load(options.schema, { anyScalars: options.ask === "judge" && options.schema === "daybook" });
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

/** The toy, measured by the crate's `judge`; or the real server over a ledger that is filled before, measured by another one. */
async function measure() {
  const [measuring, answering] = target.name === "toy" ? [judge(binary("JUDGE_BIN"), target.sdl), toy()] : [await server({ complexity: 1 }), await server()];
  try {
    if (target.name === "daybook") {
      await limits.fill(answering);
      return await limits.run(target, limits.complexityOf(measuring), limits.answerOf(answering), settings);
    }
    const measured = async (document, { variables, operationName }) => (await measuring.ask({ document, operationName }, variables)).measure?.complexity;
    const answered = async (document, { variables, ...rest }) => (await answering.ask({ document, ...rest }, variables)).responses;
    return await limits.run(target, measured, answered, settings);
  } finally {
    await answering.stop();
    await measuring.stop();
  }
}

/** The real server with a limit that many answers exceed, over a ledger whose entries have up to a hundred lines. */
async function bounded() {
  const most = 1000;
  const answering = await server({ complexity: most });
  try {
    await limits.fill(answering, 100);
    return await limits.runBounded(limits.answerOf(answering), most, settings);
  } finally {
    await answering.stop();
  }
}

const PARTS = {
  validation: () => asking((asker) => validation.run(target, asker, settings)),
  execution: () => answering((toy) => execution.run(load("toy"), toy, settings)),
  limits: measure,
  bounded,
  normalised: () => asking((asker) => execution.run(target, execution.normalised(target, asker), { ...settings, introspection: false })),
  cases: () => asking((asker) => cases.run(target, asker, settings)),
  requests: () => answering((toy) => cases.runRequests(load("toy"), toy, settings)),
};
console.log(`${options.part} of ${options.documents} documents over ${options.schema}, seed ${options.seed}`);
const report = await PARTS[options.part]();
process.exitCode = report.differences === 0 ? 0 : 1;

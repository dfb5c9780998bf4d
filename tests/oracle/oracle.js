// graphql-js beside Daybook: `node oracle.js --part validation|execution|limits --schema daybook|toy --documents N --seed S`.
import { parseArgs } from "node:util";
import { Lines, judge, server, toyVerdict } from "./ask.js";
import { load } from "./schemas.js";
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
    // Whom to ask: the crate's `judge`, or the engine behind the server or the toy.
    ask: { type: "string", default: "judge" },
  },
});

function binary(name) {
  const path = process.env[name];
  if (!path) throw new Error(`${name} names the program to ask: run .ci/oracle`);
  return path;
}

const target = load(options.schema);
const settings = {
  documents: Number(options.documents),
  seed: Number(options.seed),
  cases: options.case?.flatMap((list) => list.split(",")).map(Number),
};

async function validate() {
  const asker = options.ask === "judge" ? judge(binary("JUDGE_BIN"), target.sdl)
    : options.schema === "toy" ? toyVerdict(new Lines(binary("TOY_BIN"))) : await server();
  try {
    return await validation.run(target, asker, settings);
  } finally {
    await asker.stop();
  }
}

async function execute() {
  const toy = new Lines(binary("TOY_BIN"));
  try {
    return await execution.run(load("toy"), toy, settings);
  } finally {
    await toy.stop();
  }
}

const PARTS = { validation: validate, execution: execute };
console.log(`${options.part} of ${options.documents} documents over ${options.schema}, seed ${options.seed}`);
const report = await PARTS[options.part]();
process.exitCode = report.differences === 0 ? 0 : 1;

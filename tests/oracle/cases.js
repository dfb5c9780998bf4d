// Documents that are kept: those of each rule, and those that were once judged differently.
//
// A file of `cases/<schema>` has many, each under a line `#### valid` or `#### invalid: Rules`. That line is what graphql-js says:
// `--record` writes it, and without that it has to be so still.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as execution from "./execution.js";
import { Report } from "./report.js";
import { differenceOf, expected, rulesOf, says } from "./validation.js";

const folder = (name) => fileURLToPath(new URL(`cases/${name}/`, import.meta.url));

function documentsOf(text) {
  return text.split(/^####.*\n/m).slice(1).map((document) => document.replace(/\n$/, ""));
}

function headingOf(target, document) {
  const oracle = expected(target, document);
  return oracle.valid ? "#### valid" : `#### invalid: ${rulesOf(target, oracle, document).join(", ")}`;
}

/** Asks for every document of the schema's cases. */
export async function run(target, asker, { record, out = console.log }) {
  const report = new Report();
  for (const file of (await readdir(folder(target.name))).filter((name) => name.endsWith(".graphql")).sort()) {
    const text = await readFile(folder(target.name) + file, "utf8");
    const documents = documentsOf(text);
    const written = documents.map((document) => `${headingOf(target, document)}\n${document}\n`).join("");
    if (record) await writeFile(folder(target.name) + file, written);
    else if (written !== text) report.difference(`${file} is not what graphql-js says`, { seed: "none: run with --record", document: "" });
    for (const [index, document] of documents.entries()) {
      const oracle = expected(target, document);
      const verdict = await asker.verdict(document);
      report.count("cases");
      const kind = differenceOf(target, document, oracle, verdict);
      if (kind) report.difference(`${file}: ${kind}`, { seed: index + 1, document, says: [`graphql-js: ${says(oracle)}`, `Daybook: ${says(verdict)}`] });
    }
  }
  await report.write(undefined, out);
  return report;
}

/** Runs the requests of `cases/execution.jsonl`. */
export async function runRequests(target, toy, { out = console.log }) {
  const report = new Report();
  const lines = (await readFile(`${folder(".")}execution.jsonl`, "utf8")).trim().split("\n");
  for (const [index, line] of lines.entries()) {
    const { document, ...parameters } = JSON.parse(line);
    const answers = await execution.both(target, toy, document, parameters);
    const { wanted, got } = answers;
    report.count("requests");
    const kind = execution.compare(answers);
    if (kind) report.difference(kind, { seed: index + 1, document, says: [`graphql-js: ${JSON.stringify(wanted)}`, `Daybook:    ${JSON.stringify(got)}`] });
  }
  await report.write(undefined, out);
  return report;
}

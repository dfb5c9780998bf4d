// The client preset of graphql-codegen: `frontend/codegen/app.ts` is compiled against the types that it makes, and then runs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generate } from "@graphql-codegen/cli";
import { connect } from "./apollo.js";
import { openAccounts, postUntil, serve } from "./server.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const GENERATED = here("frontend/codegen/generated/");
const SCALARS = {
  CurrencyCode: "string",
  DateTime: "string",
  Int64: { input: "string | number", output: "string" },
  JSON: "unknown",
};

const types = (scalars, write) =>
  generate(
    {
      schema: here("../../schema.graphql"),
      documents: here("frontend/codegen/app.ts"),
      silent: true,
      importExtension: ".js",
      generates: { [GENERATED]: { preset: "client", config: { strictScalars: true, useTypeImports: true, scalars } } },
    },
    write,
  );

await Promise.all([GENERATED, here("frontend/codegen/built/")].map((old) => rm(old, { recursive: true, force: true })));
await types(SCALARS, true);
try {
  execFileSync(process.execPath, [here("node_modules/typescript/bin/tsc"), "-p", here("frontend/codegen")], { encoding: "utf8" });
} catch ({ stdout }) {
  throw new Error(stdout);
}
const app = await import("./frontend/codegen/built/app.js");

const server = await serve();
await openAccounts(server);
const { client, stop } = connect(server);
after(async () => {
  await stop();
  await server.stop();
});

test("a scalar that nobody told the type of is an error, and not any", async () => {
  const { Int64: _, ...others } = SCALARS;
  await assert.rejects(types(others, false), /Int64/);
});

test("a connection is read page by page into one list", async () => {
  assert.deepEqual(await app.pages(client), [["alice 0"], ["alice 0", "cash 0"]]);
  assert.deepEqual(app.cached(client), ["alice 0", "cash 0"]);
});

test("a mutation updates what the cache has of the same objects", async () => {
  assert.deepEqual((await app.move(client, "cash", "alice", 700n)).sort(), ["alice 700", "cash 700"]);
  await app.setStatus(client, "cash", "FROZEN");
  assert.deepEqual(app.cached(client), ["alice 700", "cash 700 frozen"]);
  await app.setStatus(client, "cash", "OPEN");
});

test("a mutation that is refused is an error with its code", async () => {
  await assert.rejects(app.move(client, "alice", "cash", 999_999n), ({ errors }) => {
    assert.equal(errors[0].extensions.code, "INSUFFICIENT_FUNDS");
    return true;
  });
});

test("a subscription has events", async () => {
  assert.deepEqual(await postUntil(server, app.nextAmounts(client)), ["100"]);
});

// What tools make of the schema: code generators, linters, and the comparison with what the server says of itself.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generate } from "@graphql-codegen/cli";
import { diff } from "@graphql-inspector/core";
import { ESLint } from "eslint";
import { buildClientSchema, buildSchema, getIntrospectionQuery, printSchema } from "graphql";
import { run, serve } from "./server.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SCHEMA = here("../../schema.graphql");
const sdl = await readFile(SCHEMA, "utf8");

const server = await serve();
after(() => server.stop());

test("the server says of itself what schema.graphql says", async () => {
  const options = { specifiedByUrl: true, inputValueDeprecation: true, oneOf: true };
  const introspected = buildClientSchema(await run(server, getIntrospectionQuery(options)));
  // Both as texts first: introspection has no directives, only what they mean.
  const [snapshot, served] = [buildSchema(sdl), introspected].map((schema) => buildSchema(printSchema(schema)));
  const changes = await diff(snapshot, served);
  assert.deepEqual(changes.map(({ message }) => message), []);
});

test("graphql-eslint has nothing to say about the schema", async () => {
  const eslint = new ESLint({
    cwd: here("."),
    overrideConfigFile: here("eslint.config.js"),
    overrideConfig: { languageOptions: { parserOptions: { graphQLConfig: { schema: SCHEMA } } } },
  });
  const [{ messages }] = await eslint.lintText(sdl, { filePath: here("schema.graphql") });
  assert.deepEqual(messages.map(({ ruleId, line, message }) => `${line}: ${ruleId}: ${message}`), []);
});

test("the client preset of graphql-codegen makes types with strict scalars", async () => {
  await rm(here("frontend/codegen/generated"), { recursive: true, force: true });
  const config = {
    schema: SCHEMA,
    documents: here("frontend/codegen/app.ts"),
    silent: true,
    generates: {
      [here("frontend/codegen/generated/")]: {
        preset: "client",
        config: {
          strictScalars: true,
          useTypeImports: true,
          scalars: {
            CurrencyCode: "string",
            DateTime: "string",
            Int64: { input: "string | number", output: "string" },
            JSON: "unknown",
          },
        },
      },
    },
  };
  await generate(config, true);
  execFileSync(process.execPath, [here("node_modules/typescript/bin/tsc"), "-p", here("frontend/codegen")], {
    encoding: "utf8",
    stdio: "pipe",
  });
  // A scalar that nobody told the type of is an error, and not `any`.
  delete config.generates[here("frontend/codegen/generated/")].config.scalars.Int64;
  await assert.rejects(generate(config, false), /Int64/);
});

// What tools make of the schema: a linter, and the comparison with what the server says of itself.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
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

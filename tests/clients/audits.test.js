// The official audits of GraphQL over HTTP: all of them, MUST, SHOULD and MAY.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { serverAudits } from "graphql-http";
import { serve } from "./server.js";

const server = await serve();
after(() => server.stop());

const audits = serverAudits({ url: server.url, fetchFn: fetch });

test("there are 61 audits", () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, "ok", result.reason);
  });
}

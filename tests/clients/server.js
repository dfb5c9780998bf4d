// The real server on a database of its own, and what the tests say to it.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Starts `daybook` on a free port; `stop` ends it and takes its folder away. */
export async function serve(...args) {
  const binary = process.env.DAYBOOK_BIN;
  if (!binary) throw new Error("DAYBOOK_BIN names the binary to test: run .ci/clients");
  const folder = await mkdtemp(join(tmpdir(), "daybook-clients-"));
  const server = spawn(binary, ["--listen", "127.0.0.1:0", "--log", "warn", ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  // A file that fails before its first test would leave the server behind, and the runner waits for it.
  process.once("exit", () => server.kill("SIGKILL"));
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const [line] = await Promise.race([
    new Promise((resolve) => createInterface(server.stdout).once("line", (line) => resolve([line]))),
    ended.then((code) => {
      throw new Error(`daybook ended with ${code} before it listened`);
    }),
  ]);
  let stopping;
  const url = `${line.match(/http:\/\/\S+/)[0]}/graphql`;
  return {
    url,
    socketUrl: url.replace("http", "ws"),
    /** Can be called again. */
    stop() {
      stopping ??= (async () => {
        server.kill("SIGTERM");
        const code = await ended;
        await rm(folder, { recursive: true, force: true });
        if (code !== 0) throw new Error(`daybook ended with ${code}`);
      })();
      return stopping;
    },
  };
}

/** Runs an operation by `fetch`, which must succeed, and answers its data. */
export async function run(server, query, variables) {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Opens the accounts `cash` (debit) and `alice` (credit, no overdraft) in euros. */
export function openAccounts(server) {
  return run(
    server,
    `mutation {
      cash: openAccount(input: { code: "cash", name: "Cash", currency: "EUR", normalSide: DEBIT }) { account { id } }
      alice: openAccount(input: { code: "alice", name: "Alice", currency: "EUR", normalSide: CREDIT, limitPolicy: NO_DEBIT_OVERDRAFT }) { account { id } }
    }`,
  );
}

/** An entry that moves `amount` from `debit` to `credit`. */
export function entry(debit, credit, amount) {
  return { lines: [{ debit: { code: debit }, credit: { code: credit }, amount, currency: "EUR" }] };
}

export const POST = /* GraphQL */ `
  mutation Post($input: PostEntryInput!) {
    postEntry(input: $input) {
      entry { __typename id }
      accounts { __typename id balances { posted { decimal } version } }
    }
  }
`;

export const ACCOUNTS = /* GraphQL */ `
  query Accounts($first: Int!, $after: String) {
    accounts(first: $first, after: $after) {
      edges { cursor node { __typename id code status balances { posted { decimal } version } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export const FREEZE = /* GraphQL */ `
  mutation Freeze($code: String!) {
    setAccountStatus(input: { account: { code: $code }, status: FROZEN }) { account { __typename id status } }
  }
`;

export const POSTED = /* GraphQL */ `
  subscription Posted {
    entryPosted { entry { __typename id lines { __typename id amount { decimal } } } }
  }
`;

/** Posts entries until one of them has been seen: a subscription says nothing of when it has begun. */
export async function postUntil(server, seen) {
  let isSeen = false;
  const done = seen.finally(() => (isSeen = true));
  while (!isSeen) {
    await run(server, POST, { input: entry("cash", "alice", "100") });
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  return done;
}

// A client as people write it with graphql-codegen's client preset: its documents, and code that `tsc` holds to their types.
import type { ApolloClient } from "@apollo/client";
import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";
import { type FragmentType, graphql, useFragment as unmask } from "./generated/index.js";
import type { AccountStatus, PostEntryInput } from "./generated/graphql.js";

const accountFields = graphql(`
  fragment AppAccount on Account {
    __typename
    id
    code
    status
    createdAt
    metadata
    balances { posted { amount decimal } version }
  }
`);

const accounts = graphql(`
  query AppAccounts($first: Int!, $after: String) {
    accounts(first: $first, after: $after) {
      edges { cursor node { __typename id ...AppAccount } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

const post = graphql(`
  mutation AppPost($input: PostEntryInput!) {
    postEntry(input: $input) { entry { __typename id } accounts { __typename id ...AppAccount } }
  }
`);

const statusChange = graphql(`
  mutation AppSetStatus($input: SetAccountStatusInput!) {
    setAccountStatus(input: $input) { account { __typename id status } }
  }
`);

const posted = graphql(`
  subscription AppPosted {
    entryPosted { cursor entry { __typename id recordedAt hold { status } lines { __typename id amount { amount } } } }
  }
`);

/** What is shown of an account. */
function shown(reference: FragmentType<typeof accountFields>): string {
  const { code, status, balances } = unmask(accountFields, reference);
  // Every status, and no other.
  const note: Record<typeof status, string> = { OPEN: "", FROZEN: " frozen", CLOSED: " closed" };
  // Amounts are strings: 64 bits do not fit a JavaScript number.
  return `${code} ${BigInt(balances.posted.amount)}${note[status]}`;
}

const rows = (data: ResultOf<typeof accounts>) => data.accounts.edges.map(({ node }) => shown(node));

/** Follows the connection to its end, one account at a time; answers the list as it is after each page. */
export async function pages(client: ApolloClient): Promise<string[][]> {
  const lists: string[][] = [];
  let after: string | null | undefined;
  do {
    const variables: VariablesOf<typeof accounts> = { first: 1, after };
    // From the network: the cache would answer with the list that it has already.
    const request = client.query({ query: accounts, variables, fetchPolicy: "network-only" });
    const { data }: { data?: ResultOf<typeof accounts> } = await request;
    if (!data) throw new Error("no data and no error");
    lists.push(rows(data));
    after = data.accounts.pageInfo.hasNextPage ? data.accounts.pageInfo.endCursor : null;
  } while (after);
  return lists;
}

/** The rows that the cache has; nothing is asked of the network. */
export function cached(client: ApolloClient): string[] | null {
  const data = client.readQuery({ query: accounts, variables: { first: 1 } });
  return data && rows(data);
}

export async function move(client: ApolloClient, debit: string, credit: string, amount: bigint): Promise<string[]> {
  const lines: PostEntryInput["lines"] = [
    { debit: { code: debit }, credit: { code: credit }, amount: amount.toString(), currency: "EUR" },
  ];
  const { data } = await client.mutate({ mutation: post, variables: { input: { lines } } });
  return data?.postEntry.accounts.map(shown) ?? [];
}

export async function setStatus(client: ApolloClient, code: string, status: AccountStatus): Promise<void> {
  await client.mutate({ mutation: statusChange, variables: { input: { account: { code }, status } } });
}

/** The amounts of the next entry. */
export function nextAmounts(client: ApolloClient): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const subscription = client.subscribe({ query: posted }).subscribe({
      next: ({ data, error }) => {
        subscription.unsubscribe();
        if (data) resolve(data.entryPosted.entry.lines.map(({ amount }) => amount.amount));
        else reject(error ?? new Error("no data and no error"));
      },
      error: reject,
    });
  });
}

/** What the types must refuse: `tsc` says so if one of these would pass. */
export function refused(client: ApolloClient, data: ResultOf<typeof accounts>) {
  const [{ node }] = data.accounts.edges;
  // @ts-expect-error: the fragment's fields are for who asked for them.
  const masked = node.code;
  const account = unmask(accountFields, node);
  // @ts-expect-error: amounts are strings.
  const amount: number = account.balances.posted.amount;
  // @ts-expect-error: the scalar has a type, so that this is not `any`.
  const createdAt: number = account.createdAt;
  // @ts-expect-error: no document asks for it.
  const name = account.name;
  // @ts-expect-error: a variable that must be given.
  const missing = client.query({ query: accounts, variables: {} });
  // @ts-expect-error: a variable that does not exist.
  const unknown = client.query({ query: accounts, variables: { first: 1, last: 1 } });
  // @ts-expect-error: an account is named by its id or by its code.
  const both: VariablesOf<typeof statusChange> = { input: { account: { id: "1", code: "a" }, status: "OPEN" } };
  // @ts-expect-error: no such status.
  const melted: VariablesOf<typeof statusChange> = { input: { account: { code: "a" }, status: "MELTED" } };
  return [masked, amount, createdAt, name, missing, unknown, both, melted];
}

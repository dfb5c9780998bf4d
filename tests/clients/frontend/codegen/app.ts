// What graphql-codegen's client preset reads, and what its types have to allow and to refuse.
import { graphql } from "./generated/gql";
import type { ResultOf } from "@graphql-typed-document-node/core";

const accounts = graphql(`
  query AppAccounts($first: Int!, $after: String) {
    accounts(first: $first, after: $after) {
      edges { node { id code status createdAt metadata balances { posted { amount decimal } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

const post = graphql(`
  mutation AppPost($input: PostEntryInput!) {
    postEntry(input: $input) { entry { id } accounts { id balances { version } } }
  }
`);

const posted = graphql(`
  subscription AppPosted { entryPosted { entry { id recordedAt } } }
`);

export function codes(data: ResultOf<typeof accounts>): string[] {
  return data.accounts.edges.map(({ node }) => `${node.code} ${node.balances.posted.amount} ${node.createdAt}`);
}

export function amounts(data: ResultOf<typeof accounts>) {
  // Amounts are strings: 64 bits do not fit a JavaScript number.
  const texts: string[] = data.accounts.edges.map(({ node }) => node.balances.posted.amount);
  // @ts-expect-error
  const numbers: number[] = data.accounts.edges.map(({ node }) => node.balances.posted.amount);
  return [texts, numbers];
}

export const documents = [accounts, post, posted];

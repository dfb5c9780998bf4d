// What Relay's compiler reads, and nothing runs: a page of a connection, an object to be read again by its id, mutations that
// update the store, a subscription that does too.
import { graphql } from "relay-runtime";

export const account = graphql`
  fragment Accounts_account on Account @refetchable(queryName: "AccountsAccountRefetchQuery") {
    id
    code
    status
    balances { posted { amount decimal currency } version }
  }
`;

export const page = graphql`
  fragment Accounts_page on Query
  @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" })
  @refetchable(queryName: "AccountsPageQuery") {
    accounts(first: $first, after: $after) @connection(key: "Accounts_accounts") {
      __id
      edges { node { ...Accounts_account } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export const query = graphql`
  query AccountsQuery($first: Int!) {
    ...Accounts_page @arguments(first: $first)
  }
`;

export const open = graphql`
  mutation AccountsOpenMutation($input: OpenAccountInput!, $connections: [ID!]!) {
    openAccount(input: $input) {
      account @appendNode(connections: $connections, edgeTypeName: "AccountEdge") { ...Accounts_account }
    }
  }
`;

export const post = graphql`
  mutation AccountsPostMutation($input: PostEntryInput!) {
    postEntry(input: $input) { accounts { ...Accounts_account } }
  }
`;

export const setStatus = graphql`
  mutation AccountsSetStatusMutation($input: SetAccountStatusInput!) {
    setAccountStatus(input: $input) { account { id status } }
  }
`;

export const posted = graphql`
  subscription AccountsPostedSubscription {
    entryPosted { entry { id lines { id amount { amount currency } debit { ...Accounts_account } credit { ...Accounts_account } } } }
  }
`;

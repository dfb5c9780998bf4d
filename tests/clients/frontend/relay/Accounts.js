// What Relay's compiler reads: a page of a connection, an object by its id, mutations that update the store, a subscription.
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
      edges { node { ...Accounts_account } }
    }
  }
`;

export const query = graphql`
  query AccountsQuery($id: ID!) {
    ...Accounts_page
    node(id: $id) { ...Accounts_account @alias }
  }
`;

export const open = graphql`
  mutation AccountsOpenMutation($input: OpenAccountInput!, $connections: [ID!]!) {
    openAccount(input: $input) {
      account @appendNode(connections: $connections, edgeTypeName: "AccountEdge") { ...Accounts_account }
    }
  }
`;

export const posted = graphql`
  subscription AccountsPostedSubscription {
    entryPosted { entry { id lines { id amount { amount currency } } } }
  }
`;

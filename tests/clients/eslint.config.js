// The rules of graphql-eslint for a schema, and those of Relay's specification.
import graphql from "@graphql-eslint/eslint-plugin";

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: { parser: graphql.parser },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      // Values, and what wraps others, have no identity of their own.
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            suffixes: ["Connection", "Edge", "Event", "Payload"],
            types: [
              "AccountChange",
              "AccountDescription",
              "AccountGroupChange",
              "AccountGroupPlace",
              "AccountSum",
              "BalanceSheet",
              "Balances",
              "Closing",
              "Currency",
              "EntryChange",
              "HoldState",
              "IncomeStatement",
              "Ledger",
              "LedgerCheck",
              "LedgerDifference",
              "Money",
              "MoneyTotal",
              "PageInfo",
              "Receipt",
              "StatementLine",
              "TrialBalance",
              "TrialBalanceAccount",
              "TrialBalanceTotal",
              "WebhookDeadLetter",
            ],
          },
        },
      ],
      // The lines of an entry are few, and read whole: not every list is a connection. A line of a statement is on a page,
      // and nothing that can be asked for by itself: not every item of a connection is a node.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false }],
    },
  },
];

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
            types: ["Balances", "Currency", "LedgerCheck", "LedgerDifference", "Money", "PageInfo"],
          },
        },
      ],
      // The lines of an entry are few, and read whole: not every list is a connection.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];

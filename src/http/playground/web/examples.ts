import balances from '../examples/balances.graphql?raw';
import feed from '../examples/feed.graphql?raw';
import openAccounts from '../examples/open-accounts.graphql?raw';
import postEntry from '../examples/post-entry.graphql?raw';
import secondFails from '../examples/second-fails.graphql?raw';
import exchange from '../../../../examples/exchange.graphql?raw';
import exchangeVariables from '../../../../examples/exchange.variables.json?raw';
import marketplace from '../../../../examples/marketplace.graphql?raw';
import marketplaceVariables from '../../../../examples/marketplace.variables.json?raw';
import wallet from '../../../../examples/wallet.graphql?raw';
import walletVariables from '../../../../examples/wallet.variables.json?raw';

/** Headers that are worth knowing, to be taken out of their comments. */
export const headers = `{
  // With a key, it happens once, however often it is sent:
  // "idempotency-key": "\\"payment-1\\"",

  // Shows what would happen, and rolls back:
  // "x-dry-run": "true",
}
`;

/** The tabs of a first visit, in the order in which they are worth running. */
export const examples = [
  ...[openAccounts, postEntry, balances, secondFails, feed].map((query) => ({ query })),
  { query: wallet, variables: walletVariables },
  { query: marketplace, variables: marketplaceVariables },
  { query: exchange, variables: exchangeVariables },
].map((tab) => ({ ...tab, headers }));

import balances from '../examples/balances.graphql?raw';
import feed from '../examples/feed.graphql?raw';
import openAccounts from '../examples/open-accounts.graphql?raw';
import postEntry from '../examples/post-entry.graphql?raw';
import secondFails from '../examples/second-fails.graphql?raw';

/** The tabs of a first visit, in the order in which they are worth running. */
export const examples = [openAccounts, postEntry, balances, secondFails, feed].map((query) => ({ query }));

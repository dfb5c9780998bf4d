import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { getOperationAST, Kind, parse, type DocumentNode } from 'graphql';

const endpoint = new URL('/graphql', window.location.href);
const socket = new URL(endpoint);
socket.protocol = socket.protocol.replace('http', 'ws');

const send = createGraphiQLFetcher({
  url: endpoint.href,
  // Headers typed into the editor become the socket's `connection_init` payload.
  subscriptionUrl: socket.href,
  // The server does not answer in parts, and says by status what a multipart client would not look at.
  enableIncrementalDelivery: false,
  headers: { 'x-unit-of-work': 'timeline' },
});

/** Asks what the unit of work of every operation did: by header over HTTP, by extension over a WebSocket. */
export const fetcher: Fetcher = (params, options) => {
  const document = read(params.query);
  if (!document) {
    // The server says what is wrong with it.
    return send(params, options);
  }
  // GraphiQL learns a tab's operation a moment after its text: who is quicker would send the name of another tab's.
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  const operationName = operations.length === 1 ? operations[0].name?.value : params.operationName;
  const request = { ...params, operationName };
  const isSubscription = getOperationAST(document, operationName)?.operation === 'subscription';
  const reported = isSubscription ? { ...request, extensions: { unitOfWork: 'timeline' } } : request;
  return send(reported, { ...options, documentAST: document });
};

function read(query: string): DocumentNode | undefined {
  try {
    return parse(query, { noLocation: true });
  } catch {
    return undefined;
  }
}

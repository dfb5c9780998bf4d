import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { getOperationAST } from 'graphql';

const endpoint = new URL('/graphql', window.location.href);
const socket = new URL(endpoint);
socket.protocol = socket.protocol.replace('http', 'ws');

const send = createGraphiQLFetcher({
  url: endpoint.href,
  // Headers typed into the editor become the socket's `connection_init` payload.
  subscriptionUrl: socket.href,
  // The server does not answer in parts, and says by status what a multipart client would not look at.
  enableIncrementalDelivery: false,
  headers: { 'x-unit-of-work': 'report' },
});

/** Asks for a report on the unit of work of every operation: by header over HTTP, by extension over a WebSocket. */
export const fetcher: Fetcher = (params, options) => {
  const operation = options?.documentAST && getOperationAST(options.documentAST, params.operationName);
  if (operation?.operation !== 'subscription') {
    return send(params, options);
  }
  const reported = { ...params, extensions: { unitOfWork: 'report' } };
  return send(reported, options);
};

// Apollo Client, headless.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

export function clientOver(link) {
  const cache = new InMemoryCache({
    typePolicies: { Query: { fields: { accounts: relayStylePagination() } } },
  });
  return new ApolloClient({ link, cache });
}

/** A client with subscriptions over a WebSocket, and all else over HTTP; `stop` closes both. */
export function connect(server) {
  const socket = createClient({ url: server.socketUrl, webSocketImpl: WebSocket });
  const client = clientOver(
    ApolloLink.split(
      ({ operationType }) => operationType === "subscription",
      new GraphQLWsLink(socket),
      new HttpLink({ uri: server.url }),
    ),
  );
  return {
    client,
    async stop() {
      client.stop();
      await socket.dispose();
    },
  };
}

// What the page asks of the server: GraphQL, as any client does.

const TOKEN = "daybook.token";

/** An error that the server answered. */
export class Refused extends Error {
  constructor({ message, extensions }) {
    super(message);
    this.code = extensions?.code;
  }
}

/** The token that somebody gave to the page, in this tab only. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (value) => (value ? sessionStorage.setItem(TOKEN, value) : sessionStorage.removeItem(TOKEN)),
};

function headers(accept) {
  const known = token.get();
  return {
    accept,
    "content-type": "application/json",
    ...(known ? { authorization: `Bearer ${known}` } : {}),
  };
}

async function post(query, variables, accept, signal) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: headers(accept),
    body: JSON.stringify({ query, variables }),
    signal,
  });
  const type = response.headers.get("content-type") ?? "";
  if (type.includes("json")) {
    const { data, errors } = await response.json();
    if (errors?.length) throw new Refused(errors[0]);
    return { data };
  }
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  return { response };
}

/** Executes a query, and answers its data. */
export async function ask(query, variables, signal) {
  const { data } = await post(query, variables, "application/graphql-response+json", signal);
  if (!data) throw new Error("The server did not answer with JSON.");
  return data;
}

/** Executes a subscription, and yields the data of each event. */
export async function* listen(query, variables, signal) {
  const { response } = await post(query, variables, "text/event-stream", signal);
  if (!response) throw new Error("The server did not answer with a stream.");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const said = event.split("\n").find((line) => line.startsWith("data:"));
      const json = said?.slice(5).trim();
      if (!json) continue;
      const { data, errors } = JSON.parse(json);
      if (errors?.length) throw new Refused(errors[0]);
      yield data;
    }
  }
}

let exponents;

/** How many decimal places each currency has. Asked for once, and again for a currency that is new. */
export async function exponentOf(currency) {
  if (!exponents?.has(currency)) {
    const { currencies } = await ask("{ currencies { code exponent } }");
    exponents = new Map(currencies.map(({ code, exponent }) => [code, exponent]));
  }
  return exponents.get(currency) ?? 0;
}

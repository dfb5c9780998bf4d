// What this page has written and seen, at most: the token of its newest answer.
let token;

/** As `fetch`. What it reads is never older than what the page was told before. */
export async function consistentFetch(url, options) {
  const headers = new Headers(options.headers);
  if (token !== undefined) headers.set("x-consistency", token);
  const response = await fetch(url, { ...options, headers });
  const seen = response.headers.get("x-consistency");
  if (seen !== null && (token === undefined || seen > token)) token = seen;
  // After a failover that may have lost what the page was told: the next answer begins anew.
  const isJson = response.headers.get("content-type")?.includes("json");
  if (isJson && (await response.clone().text()).includes('"CONSISTENCY_LOST"')) token = undefined;
  return response;
}

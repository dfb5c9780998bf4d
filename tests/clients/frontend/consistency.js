// What this page has written and seen, at most: the token of its newest answer. "0" is the first one, and stands for nothing.
let token = "0";

/** As `fetch`. What it reads is never older than what the page was told before. */
export async function consistentFetch(url, options) {
  const headers = new Headers(options.headers);
  const shown = token;
  headers.set("x-consistency", shown);
  const response = await fetch(url, { ...options, headers });
  const seen = response.headers.get("x-consistency");
  // An answer's token includes the one that was shown. If another answer has come meanwhile, the greater one is the newer.
  if (seen !== null && (token === shown || seen > token)) token = seen;
  // After a failover that may have lost what the page was told: the next answer begins anew.
  const isJson = response.headers.get("content-type")?.includes("json");
  if (isJson && (await response.clone().text()).includes('"CONSISTENCY_LOST"')) token = "0";
  return response;
}

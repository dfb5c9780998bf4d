// Chromium, and a page that notes what it complains of.
import puppeteer from "puppeteer-core";

/** Starts Chromium, which asks nobody for anything by itself. */
export function launch() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A new page; `complaints` are what its console complained of, and what was asked of anybody but the server at `origin`. */
export async function open(browser, origin) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => /^(data|blob):|^ws:/.test(request.url()) || request.url().startsWith(origin) || complaints.push(request.url()));
  return { page, complaints };
}

// What a visitor of the playground does, and what its panel shows.

export function playgroundOn(page) {
  /** Goes to the tab of an example. */
  async function open(tab) {
    await page.locator(`::-p-xpath(//button[contains(@class, "graphiql-tab-button")][normalize-space()="${tab}"])`).click();
  }

  async function press() {
    await page.locator(".graphiql-execute-button").click();
  }

  /** The panel, once it shows this outcome. */
  async function panel(outcome) {
    await page.waitForSelector(`.outcome[data-outcome="${outcome}"]`, { timeout: 10_000 });
    return page.evaluate(() => {
      const text = (node) => node?.textContent ?? null;
      const panel = document.querySelector(".unit-of-work");
      const facts = [...panel.querySelectorAll("[data-fact]")];
      return {
        outcome: text(panel.querySelector(".outcome")),
        error: text(panel.querySelector("blockquote")),
        facts: Object.fromEntries(facts.map((fact) => [fact.dataset.fact, text(fact.querySelector("dd"))])),
        steps: [...panel.querySelectorAll("[data-step]")].map((step) => ({
          step: step.dataset.step,
          server: text(step.querySelector(".server")),
          sql: text(step.querySelector("pre")),
          field: text(step.querySelector(".note code")),
          width: step.querySelector(".track > div").getBoundingClientRect().width,
        })),
      };
    });
  }

  /** Waits until the editor shows a response with this in it, which it may a moment after the panel. */
  async function responseWith(text) {
    const shows = (text) => document.querySelector(".result-window")?.textContent.includes(text);
    await page.waitForFunction(shows, { timeout: 10_000 }, text);
  }

  return { open, press, panel, responseWith };
}

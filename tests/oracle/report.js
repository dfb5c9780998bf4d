// Counts differences by kind, and shows the smallest example of each.

const SHRUNK = 30;

export class Report {
  #kinds = new Map();
  #counts = new Map();

  /** `example` has `seed` and `document`. */
  difference(kind, example) {
    const known = this.#kinds.get(kind) ?? { count: 0, seeds: [], example };
    known.count++;
    if (known.seeds.length < 5) known.seeds.push(example.seed);
    if (example.document.length < known.example.document.length) known.example = example;
    this.#kinds.set(kind, known);
  }

  count(what, by = 1) {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  get differences() {
    return [...this.#kinds.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** The kinds that were seen, the most frequent first. */
  kinds() {
    return [...this.#kinds].sort(([, a], [, b]) => b.count - a.count);
  }

  /** `shrink(kind, example)` answers a smaller example, or nothing. */
  async write(shrink, out = console.log) {
    for (const [what, count] of this.#counts) out(`${what}: ${count}`);
    out(`differences: ${this.differences}`);
    // To make them small takes most of the time.
    let left = SHRUNK;
    for (const [kind, { count, seeds, example }] of this.kinds()) {
      const smaller = (left-- > 0 && (await shrink?.(kind, example))) || example;
      out(`\n${count} × ${kind} (--case ${seeds.join(", ")})`);
      out(smaller.document.replace(/^/gm, "    "));
      for (const line of smaller.says ?? []) out(`    ${line}`);
    }
  }
}

/** Calls `work` for each of the numbers, some at a time, in order of their beginning. */
export async function each(count, atOnce, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

// Random choices that a number repeats.

/** Mixes two numbers into one of 32 bits. */
export function mix(a, b) {
  let number = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ b;
  number = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  number = Math.imul(number ^ (number >>> 13), 0xc2b2ae35);
  return (number ^ (number >>> 16)) >>> 0;
}

/** mulberry32, and what one asks of it. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** At least 0, and less than 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let number = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    number = (number + Math.imul(number ^ (number >>> 7), 61 | number)) ^ number;
    return ((number ^ (number >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer of at least 0 and less than `end`. */
  below(end) {
    return Math.floor(this.next() * end);
  }

  /** Whether something of this probability happens. */
  chance(probability) {
    return this.next() < probability;
  }

  /** One of a list; `undefined` of an empty one. */
  of(list) {
    return list[this.below(list.length)];
  }

  /** One of `[weight, value]`. */
  weighted(pairs) {
    let at = this.next() * pairs.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of pairs) {
      at -= weight;
      if (at < 0) return value;
    }
    return pairs.at(-1)[1];
  }

  /** The same items in another order. */
  shuffled(list) {
    const items = [...list];
    for (let index = items.length - 1; index > 0; index--) {
      const other = this.below(index + 1);
      [items[index], items[other]] = [items[other], items[index]];
    }
    return items;
  }
}

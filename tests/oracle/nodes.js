// Makes and walks nodes of documents as graphql-js has them.
import { Kind } from "graphql";

export const name = (value) => ({ kind: Kind.NAME, value });
export const variable = (value) => ({ kind: Kind.VARIABLE, name: name(value) });
export const string = (value, block = false) => ({ kind: Kind.STRING, value, block });
export const namedType = (value) => ({ kind: Kind.NAMED_TYPE, name: name(value) });
export const argument = (key, value) => ({ kind: Kind.ARGUMENT, name: name(key), value });
export const directive = (key, args = []) => ({ kind: Kind.DIRECTIVE, name: name(key), arguments: args });
export const selectionSet = (selections) => ({ kind: Kind.SELECTION_SET, selections });

export function field(key, { alias, args = [], directives = [], selections } = {}) {
  return {
    kind: Kind.FIELD,
    name: name(key),
    alias: alias === undefined ? undefined : name(alias),
    arguments: args,
    directives,
    selectionSet: selections && selectionSet(selections),
  };
}

export const clone = (node) => structuredClone(node);

/** A parsed document without positions, which no longer hold once it is changed. */
export function withoutPositions(node) {
  return JSON.parse(JSON.stringify(node, (key, value) => (key === "loc" ? undefined : value)));
}

/** Calls `see` with every node below (and the node), with the object and key that hold it. */
export function walk(node, see, holder, key) {
  if (node === null || typeof node !== "object") return;
  if (Array.isArray(node)) {
    node.forEach((item, index) => walk(item, see, node, index));
    return;
  }
  if (typeof node.kind === "string") see(node, holder, key);
  for (const [member, value] of Object.entries(node)) walk(value, see, node, member);
}

/** Every node of these kinds, as `{ node, holder, key }`. */
export function all(document, ...kinds) {
  const found = [];
  walk(document, (node, holder, key) => {
    if (kinds.length === 0 || kinds.includes(node.kind)) found.push({ node, holder, key });
  });
  return found;
}

/** Every array of nodes, as `{ list, of }`: `of` is the node that has it, and `member` its name there. */
export function lists(document) {
  const found = [];
  walk(document, (node) => {
    for (const [member, value] of Object.entries(node)) if (Array.isArray(value)) found.push({ list: value, of: node, member });
  });
  return found;
}

export const responseKey = (node) => (node.alias ?? node.name).value;

export const VALUES = [
  Kind.VARIABLE, Kind.INT, Kind.FLOAT, Kind.STRING, Kind.BOOLEAN, Kind.NULL, Kind.ENUM, Kind.LIST, Kind.OBJECT,
];

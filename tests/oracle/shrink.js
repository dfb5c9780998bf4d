// Makes a document as small as it can be while something stays true of it.
import { Kind, parse, print } from "graphql";
import { all, clone, lists, name, withoutPositions } from "./nodes.js";

const TOKEN = /"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"|[_A-Za-z][_0-9A-Za-z]*|-?[0-9][0-9.eE+-]*|\.\.\.|[^]/g;
const SIMPLE = { kind: Kind.INT, value: "0" };
const OPTIONAL = ["alias", "defaultValue", "typeCondition", "selectionSet", "description"];

/** `holds(text)` is asked of each smaller document, at most `steps` times. */
export async function shrink(text, holds, steps = 600) {
  let left = steps;
  const still = async (smaller) => left-- > 0 && (await holds(smaller));
  let document;
  try {
    document = withoutPositions(parse(text));
    if (!(await still(print(document)))) document = undefined;
  } catch {
    // It does not parse: only its tokens can go.
  }
  if (!document) return shrinkTokens(text, still);
  for (let isSmaller = true; isSmaller && left > 0; ) {
    isSmaller = false;
    for (const smaller of candidates(document)) {
      const printed = attempt(smaller);
      if (printed === undefined || !(await still(printed))) continue;
      document = withoutPositions(parse(printed, { noLocation: true }));
      isSmaller = true;
      break;
    }
  }
  return compact(print(document), still);
}

function attempt(document) {
  try {
    const printed = print(document);
    parse(printed);
    return printed;
  } catch {
    return undefined;
  }
}

/** Smaller documents, the smallest first. */
function* candidates(document) {
  for (const [index] of document.definitions.entries()) yield without(document, (copy) => copy.definitions.splice(index, 1));
  const count = lists(document).length;
  for (let at = 0; at < count; at++) {
    const { list } = lists(document)[at];
    if (list === document.definitions) continue;
    if (list.length > 1) yield without(document, (copy) => lists(copy)[at].list.splice(0, Math.ceil(list.length / 2)));
    for (const [index] of list.entries()) yield without(document, (copy) => lists(copy)[at].list.splice(index, 1));
  }
  const nodes = all(document);
  for (const [at, { node }] of nodes.entries()) {
    // What is inside takes the place of what is around it.
    if (node.kind === Kind.INLINE_FRAGMENT) yield without(document, (copy) => { const found = all(copy)[at]; found.holder.splice(found.key, 1, ...found.node.selectionSet.selections); });
    if (node.kind === Kind.FRAGMENT_SPREAD) {
      yield without(document, (copy) => {
        const found = all(copy)[at];
        const fragment = copy.definitions.find((other) => other.kind === Kind.FRAGMENT_DEFINITION && other.name.value === node.name.value);
        if (fragment) found.holder.splice(found.key, 1, { kind: Kind.INLINE_FRAGMENT, typeCondition: fragment.typeCondition, directives: [], selectionSet: clone(fragment.selectionSet) });
      });
    }
    if (node.kind === Kind.LIST && node.values.length === 1) yield without(document, (copy) => { const found = all(copy)[at]; found.holder[found.key] = found.node.values[0]; });
    for (const member of OPTIONAL) {
      if (node[member]) yield without(document, (copy) => delete all(copy)[at].node[member]);
    }
    if (node.kind === Kind.OPERATION_DEFINITION && node.name) yield without(document, (copy) => delete all(copy)[at].node.name);
    if ([Kind.STRING, Kind.FLOAT, Kind.LIST, Kind.OBJECT, Kind.BOOLEAN, Kind.ENUM, Kind.NULL].includes(node.kind)) yield without(document, (copy) => { const found = all(copy)[at]; found.holder[found.key] = SIMPLE; });
    if (node.kind === Kind.STRING && node.value.length > 1 && !node.block) yield without(document, (copy) => (all(copy)[at].node.value = ""));
    if (node.kind === Kind.FIELD && node.name.value !== "__typename" && !node.selectionSet) yield without(document, (copy) => { all(copy)[at].node.name = name("__typename"); });
  }
}

function without(document, change) {
  const copy = clone(document);
  change(copy);
  return copy;
}

/** One line, if that is the same. */
async function compact(text, still) {
  if (text.includes('"""')) return text;
  const line = text.trim().replace(/\s+/g, " ");
  return (await still(line)) ? line : text;
}

async function shrinkTokens(text, still) {
  let tokens = text.match(TOKEN) ?? [];
  for (let size = Math.ceil(tokens.length / 2); size >= 1; ) {
    let isSmaller = false;
    for (let at = 0; at < tokens.length; ) {
      const smaller = [...tokens.slice(0, at), ...tokens.slice(at + size)];
      if (await still(smaller.join(""))) {
        tokens = smaller;
        isSmaller = true;
      } else at += size;
    }
    if (!isSmaller || size > 1) {
      if (size === 1) break;
      size = Math.ceil(size / 2);
    }
  }
  return tokens.join("");
}

// Reads a state diagram on stdin with Mermaid itself, and prints what it understood as JSON.
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");

// Mermaid keeps the entities of a text in a form of its own until it draws it.
const decoded = (text) =>
  text.replace(/ﬂ°°(\d+)¶ß/g, (_, codepoint) => String.fromCodePoint(codepoint));

const regions = [];

function read(doc, name) {
  const region = { name, labels: {}, moves: [], initial: [], terminal: [] };
  const blocks = doc.filter((each) => each.stmt === "state" && each.doc);
  for (const each of doc.filter((one) => one.stmt === "state" && !one.doc)) {
    region.labels[each.id] = decoded(each.description);
  }
  for (const { state1, state2, description } of doc.filter((one) => one.stmt === "relation")) {
    if (state1.start === true) region.initial.push(state2.id);
    else if (state2.start === false) region.terminal.push(state1.id);
    else {
      for (const label of description.split("<br/>")) {
        region.moves.push([state1.id, decoded(label), state2.id]);
      }
    }
  }
  if (blocks.length === 0) regions.push(region);
  for (const each of blocks) read(each.doc, decoded(each.description));
}

const text = readFileSync(0, "utf-8");
await mermaid.parse(text);
const diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
read(diagram.db.rootDoc, "");
const classes = {};
for (const { stmt, id, styleClass } of diagram.db.rootDoc) {
  if (stmt === "applyClass") classes[id.trim()] = [styleClass.trim()];
}
console.log(JSON.stringify({ regions, classes }));

// Makes a machine of the configuration on stdin, sends every event in every state, prints each
// [state, event, accepted, next state], and where it starts, as JSON.
import { readFileSync } from "node:fs";
import { createActor, createMachine, getNextSnapshot } from "xstate";

const { config, guards } = JSON.parse(readFileSync(0, "utf-8"));
const implementations = Object.fromEntries(
  Object.entries(guards ?? {}).map(([name, holds]) => [name, () => holds]),
);
const machine = createMachine(config, { guards: implementations });
const start = createActor(machine).start().getSnapshot();

const values =
  config.type === "parallel"
    ? Object.entries(config.states).flatMap(([region, { states }]) =>
        Object.keys(states).map((state) => ({ ...start.value, [region]: state })),
      )
    : Object.keys(config.states);

const rows = [];
for (const value of values) {
  for (const type of machine.events) {
    const snapshot = machine.resolveState({ value });
    const next = getNextSnapshot(machine, snapshot, { type });
    rows.push([value, type, snapshot.can({ type }), next.value]);
  }
}
console.log(JSON.stringify({ initial: start.value, rows }));

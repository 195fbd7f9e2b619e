// Record an act of an agent from TypeScript, with the fetch that Node has and nothing to install.
// node --experimental-strip-types docs/examples/send.mts (Node 22.6 or newer), with OBS_URL and OBS_KEY.

import { createHash, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

interface Receipt {
  id: string;
  status: "received" | "duplicate" | "conflict" | "rejected";
  error: { code: string; path: string; message: string } | null;
}

interface Act {
  tool: string;
  arguments: unknown;
  outcome: "success" | "failure" | "error" | "denied";
  durationMs: number;
}

const url: string = setting("OBS_URL");
const key: string = setting("OBS_KEY");
const tries = 5;

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Arguments never leave the process: their digest does. Keys are sorted, as RFC 8785 asks. */
function digest(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex");
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value as Record<string, unknown>)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
  return `{${members.join(",")}}`;
}

function event(agent: string, act: Act): Record<string, unknown> {
  return {
    id: randomUUID(),
    occurred_at: new Date().toISOString(),
    category: "tool_call",
    action: "tool.invoke",
    outcome: act.outcome,
    duration_ms: act.durationMs,
    agent: { id: agent },
    actor: { type: "agent", id: agent },
    target: { type: "tool", id: act.tool },
    tool: { name: act.tool, arguments_hash: digest(act.arguments) },
  };
}

/** Send events until the platform has them. The ids are ours, so that sending again is harmless. */
async function send(events: Record<string, unknown>[]): Promise<Receipt[]> {
  for (let attempt = 1; ; attempt++) {
    const wait = await once(events).catch((trouble: unknown) => {
      if (attempt === tries) throw trouble;
      return 2 ** attempt * 100 * Math.random();
    });
    if (typeof wait !== "number") return wait;
    if (attempt === tries) throw new Error(`not taken after ${tries} tries`);
    await pause(wait);
  }
}

/** Return the receipts, or the milliseconds to wait before another try. */
async function once(events: Record<string, unknown>[]): Promise<Receipt[] | number> {
  const answer = await fetch(`${url}/api/v1/events`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify(events),
  });
  if (answer.status === 429 || answer.status >= 500) {
    return Number(answer.headers.get("Retry-After") ?? 1) * 1_000;
  }
  const told = (await answer.json()) as { receipts?: Receipt[]; detail?: string };
  if (!told.receipts) throw new Error(`${answer.status}: ${told.detail ?? "no receipts"}`);
  return told.receipts;
}

const receipts = await send([
  event("typescript-agent", {
    tool: "look_up",
    arguments: { claim: 4711 },
    outcome: "success",
    durationMs: 12.5,
  }),
]);
for (const receipt of receipts) console.log(JSON.stringify(receipt));
process.exitCode = receipts.every((each) => each.error === null) ? 0 : 1;

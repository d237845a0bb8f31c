// What a month costs: from the cost resource; where a node does not have it, from the month's bill itself.
import { Problem } from "./api.js";
import { parseCsv } from "./csv.js";
import { count, daysIn, gbSeconds, monthNow } from "./format.js";

async function fromBill(api, base, month) {
  let text;
  try {
    text = await (await api.fetch("GET", `${base}/bills/${month}?layout=summary`, { accept: "text/csv" })).text();
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
  const [head, ...rows] = parseCsv(text);
  const at = Object.fromEntries(head.map((name, i) => [name, i]));
  const cell = (row, name) => row[at[name]] ?? "";
  const functions = {};
  let total = "0", currency = "";
  for (const row of rows) {
    const type = cell(row, "record_type");
    currency = cell(row, "currency") || currency;
    if (type === "total") total = cell(row, "amount");
    if (type === "share") {
      const name = cell(row, "function");
      functions[name] = (Number(functions[name] ?? 0) + Number(cell(row, "exact_amount"))).toFixed(6);
    }
  }
  return { total, currency, functions, forecast: null };
}

function forecastOf(total, month) {
  if (month !== monthNow()) return null;
  const now = new Date();
  const passed = (now.getUTCDate() - 1 + (now.getUTCHours() + now.getUTCMinutes() / 60) / 24) / daysIn(month);
  if (passed < 0.03) return null;
  return { expected: (Number(total) / passed).toFixed(2) };
}

export async function readCost(api, base, month) {
  const answer = await api.maybe(`${base}/cost?month=${month}`);
  if (answer === null) {
    const cost = await fromBill(api, base, month);
    return cost ? { ...cost, forecast: forecastOf(cost.total, month) } : null;
  }
  const functions = Object.fromEntries((answer.functions ?? answer.items ?? []).map((r) => [r.function ?? r.name, r.amount ?? r.cost]));
  return { total: answer.total, currency: answer.currency, functions, forecast: answer.forecast ?? null, free_tier: answer.free_tier };
}

// Shares of the free allowances: as the cost resource gives them, else Lambda's usual ones.
export function freeTier(data) {
  const total = data.functions.total;
  if (!total) return [];
  const allowances = data.cost?.free_tier ?? [{ meter: "requests", allowance: "1000000" }, { meter: "compute", allowance: "400000" }];
  const from = new Date(data.functions.from), now = Math.min(Date.now(), new Date(data.functions.to).getTime());
  return allowances.map((a) => {
    const compute = a.meter.startsWith("compute");
    const used = a.used !== undefined ? Number(a.used) : compute ? Number(total.mb_ms) / 1024000 : total.billed_requests;
    const allowance = Number(a.allowance);
    const share = allowance > 0 ? (100 * used) / allowance : 0;
    const left = used > 0 && share < 100 ? ((allowance - used) / used) * (now - from.getTime()) : Infinity;
    const end = now + left;
    return {
      name: compute ? "GB-seconds" : "requests",
      share,
      words: compute ? `${gbSeconds(total.mb_ms)} of ${count(allowance)} GB-s` : `${count(used)} of ${count(allowance)} requests`,
      runsOut: end < new Date(data.functions.to).getTime() ? new Date(end).toISOString().slice(0, 10) : null,
    };
  });
}

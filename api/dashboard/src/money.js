// What a month costs, as the cost resource says it, spread over days for charts, and what its free allowances still hold.
import { count, gbSeconds } from "./format.js";

// null where a node does not know costs.
export async function readCost(api, base, month, more = "") {
  const answer = await api.maybe(`${base}/cost?month=${month}${more}`);
  if (answer === null) return null;
  const rows = (answer.functions ?? []).map((r) => ({ ...r, exact: r.exact_amount ?? r.amount }));
  return { ...answer, rows, functions: Object.fromEntries(rows.map((r) => [r.function, r.exact])), forecast: answer.forecast ?? null, lines: answer.lines ?? [] };
}

// A bill spreads its lines over usage in proportion, so a day's part follows from two rates: per request and per MB*ms.
// For charts only; the table of a bill has the exact amounts.
export function costRates(cost, total) {
  const sum = (fits) => (cost?.lines ?? []).filter((l) => fits(l.meter ?? "")).reduce((a, l) => a + Number(l.exact_amount), 0);
  const requests = Number(total?.billed_requests ?? 0), mbMs = Number(total?.mb_ms ?? 0);
  return {
    request: requests > 0 ? sum((m) => m === "requests") / requests : 0,
    mbMs: mbMs > 0 ? sum((m) => /compute/.test(m)) / mbMs : 0,
  };
}
export const costOf = (rates, row) => row.billed_requests * rates.request + Number(row.mb_ms) * rates.mbMs;

// Usage alone, before fees, credits and tax: what functions share.
export const usageTotal = (cost) => (cost?.rows ?? []).reduce((a, r) => a + Number(r.exact), 0);

// Whether fees, credits or tax stand beside the usage: a forecast knows usage only.
export const hasExtras = (cost) => (cost?.lines ?? []).some((l) => !l.meter && Number(l.amount) !== 0);

// How much of each free allowance of the price book is used, and until when the rest lasts at this rate.
export function freeTier(data) {
  const total = data.functions.total;
  if (!total || !data.book?.free) return [];
  const from = new Date(data.functions.from).getTime(), to = new Date(data.functions.to).getTime();
  const now = Math.min(Date.now(), to);
  return data.book.free.filter((a) => USED[kindOf(a)]).map((a) => {
    const { name, of, words } = USED[kindOf(a)];
    const used = of(total), allowance = Number(a.quantity);
    const share = allowance > 0 ? (100 * used) / allowance : 100;
    const end = used > 0 && share < 100 ? now + ((allowance - used) / used) * (now - from) : Infinity;
    return { name, share, words: words(total, allowance), runsOut: now < to && end < to ? new Date(end).toISOString().slice(0, 10) : null };
  });
}

const kindOf = (allowance) => (allowance.meters[0].startsWith("compute") ? "compute" : allowance.meters[0]);
const USED = {
  requests: { name: "Requests", of: (t) => t.billed_requests, words: (t, a) => (t.billed_requests >= a ? `all ${count(a)} requests are used` : `${count(t.billed_requests)} of ${count(a)} requests`) },
  compute: { name: "Compute", of: (t) => Number(t.mb_ms) / 1024000, words: (t, a) => (Number(t.mb_ms) / 1024000 >= a ? `all ${count(a)} GB-s are used` : `${gbSeconds(t.mb_ms)} of ${count(a)} GB-s`) },
};

// What one invocation costs at the first paid price, before allowances: for orders of magnitude, not for bills.
export function listPrice(book, row) {
  const compute = book?.meters?.compute_x86_64?.bands?.[0]?.price, request = book?.meters?.requests?.bands?.[0]?.price;
  return compute && request ? (Number(compute) * Number(row.mb_ms)) / 1024000 + Number(request) : null;
}

// Numbers, money, durations and times for people. Money and quantities come as decimal strings and stay strings.

const whole = new Intl.NumberFormat("en");

export const count = (n) => whole.format(typeof n === "string" ? BigInt(n) : n ?? 0);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${Number(n) === 1 ? one : many}`;

// "12345.6789" to "12,345.68" (decimals places, cut half-up on digits, without floating point).
export function decimal(text, decimals) {
  const negative = String(text ?? "0").startsWith("-");
  const [a, b = ""] = String(text ?? "0").replace("-", "").split(".");
  let digits = BigInt(a + (b + "0".repeat(decimals + 1)).slice(0, decimals));
  if ((b[decimals] ?? "0") >= "5") digits += 1n;
  const s = digits.toString().padStart(decimals + 1, "0");
  const left = whole.format(BigInt(s.slice(0, s.length - decimals)));
  return (negative && digits > 0n ? "−" : "") + left + (decimals ? "." + s.slice(s.length - decimals) : "");
}

const SIGNS = { USD: "$", EUR: "€", GBP: "£" };

const signed = (amount, currency) => {
  if (!SIGNS[currency]) return `${amount} ${currency ?? ""}`.trim();
  return amount.startsWith("−") ? `−${SIGNS[currency]}${amount.slice(1)}` : SIGNS[currency] + amount;
};

// Decimals of an amount: cents where there are any; amounts below a cent keep their first digits.
function places(text) {
  const size = Math.abs(Number(text));
  const wanted = size === 0 || size >= 0.995 ? 2 : size >= 0.01 ? 4 : 6;
  return Math.max(2, Math.min(wanted, (String(text).split(".")[1] ?? "").length));
}

export const money = (text, currency) => signed(decimal(text, places(text)), currency);

// Amounts of one column: all with the same decimals, so that points stand below each other.
export function moneyColumn(texts, currency) {
  const largest = Math.max(0, ...texts.map((t) => Math.abs(Number(t ?? 0))));
  const most = largest >= 1 || largest === 0 ? 2 : largest >= 0.01 ? 4 : 6;
  return (text) => (text === null || text === undefined ? "–" : signed(decimal(text, most), currency));
}

// An amount on an axis, as short as it can be; whole: no amount there has a fraction.
export function moneyAxis(v, currency, whole = false) {
  const size = Math.abs(v);
  const text = size >= 1000 ? compact(v) : size === 0 ? "0" : whole ? String(v) : size >= 1 ? v.toFixed(2) : v.toFixed(Math.max(2, (String(Number(v.toPrecision(2))).split(".")[1] ?? "").length));
  return signed(text.replace("-", "−"), currency);
}

// A rounded amount from a number, for charts: never for a bill.
export const moneyNumber = (n, currency) => money(Number(n).toFixed(Math.abs(n) >= 1 ? 2 : 6), currency);

// GB-seconds from MB*ms (BigInt or decimal string).
export function gbSeconds(mbMs, decimals) {
  const thousandths = (BigInt(mbMs) * 1000n + 512000n) / 1024000n;
  if (thousandths === 0n && decimals === undefined) return "0";
  const digits = decimals ?? (thousandths >= 100000n ? 0 : thousandths >= 10000n ? 1 : 3);
  return decimal(`${thousandths / 1000n}.${String(thousandths % 1000n).padStart(3, "0")}`, digits);
}

export function compact(n) {
  return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(Number(n));
}

export function percent(share, decimals = 1) {
  if (share > 0 && share < 0.1) return "< 0.1 %";
  return `${share.toFixed(share >= 99.95 || share === 0 ? 0 : decimals)} %`;
}

export function micros(us) {
  const n = Number(us);
  if (!n) return "–";
  if (n < 1000) return `${Math.round(n)} µs`;
  if (n < 1e6) return `${(n / 1000).toFixed(n < 1e4 ? 2 : n < 1e5 ? 1 : 0)} ms`;
  if (n < 6e7) return `${(n / 1e6).toFixed(2)} s`;
  const minutes = Math.floor(n / 6e7);
  return minutes < 60 ? `${minutes} min ${Math.floor((n % 6e7) / 1e6)} s` : `${whole.format(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

export const mebibytes = (kib) => (Number(kib) / 1024).toFixed(Number(kib) < 102400 ? 1 : 0);

export function bytes(n) {
  const size = Number(n);
  if (size < 1024) return `${size} B`;
  const step = Math.min(4, Math.floor(Math.log2(size) / 10));
  const value = size / 1024 ** step;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${["", "KiB", "MiB", "GiB", "TiB"][step]}`;
}

export const time = (iso) => (iso ? iso.slice(11, 19) : "–");
export const day = (iso) => (iso ? iso.slice(0, 10) : "–");
export const dateTime = (iso) => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : "–");

// How long ago, in the largest unit that says enough.
export function ago(iso, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - new Date(iso).getTime()) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function monthName(month) {
  return new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en", { month: "long", year: "numeric", timeZone: "UTC" });
}

export const monthNow = () => new Date().toISOString().slice(0, 7);

export function monthBefore(month) {
  const d = new Date(`${month}-01T00:00:00Z`);
  d.setUTCMonth(d.getUTCMonth() - 1);
  return d.toISOString().slice(0, 7);
}

export function months(n) {
  const out = [monthNow()];
  while (out.length < n) out.push(monthBefore(out[out.length - 1]));
  return out;
}

export function daysIn(month) {
  const [y, m] = month.split("-").map(Number);
  return new Date(Date.UTC(y, m, 0)).getUTCDate();
}

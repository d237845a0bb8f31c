// Numbers, money, durations and times for people. Money and quantities come as decimal strings and stay strings.

const whole = new Intl.NumberFormat("en");

export const count = (n) => whole.format(typeof n === "string" ? BigInt(n) : n ?? 0);

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

// Cents where there are any; amounts below a cent keep their first digits.
export function money(text, currency) {
  const size = Math.abs(Number(text));
  const places = size === 0 || size >= 0.995 ? 2 : size >= 0.01 ? 4 : 6;
  const amount = decimal(text, Math.max(2, Math.min(places, (String(text).split(".")[1] ?? "").length)));
  return SIGNS[currency] ? SIGNS[currency] + amount : `${amount} ${currency}`;
}

// GB-seconds from MB*ms (BigInt or decimal string), three decimals at most.
export function gbSeconds(mbMs) {
  const thousandths = (BigInt(mbMs) * 1000n + 512000n) / 1024000n;
  const places = thousandths >= 100000n ? 0 : thousandths >= 10000n ? 1 : 3;
  return decimal(`${thousandths / 1000n}.${String(thousandths % 1000n).padStart(3, "0")}`, places);
}

export function compact(n) {
  return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(Number(n));
}

export function micros(us) {
  const n = Number(us);
  if (!n) return "–";
  if (n < 1000) return `${n} µs`;
  if (n < 1e6) return `${(n / 1000).toFixed(n < 1e4 ? 2 : n < 1e5 ? 1 : 0)} ms`;
  if (n < 6e7) return `${(n / 1e6).toFixed(2)} s`;
  const minutes = Math.floor(n / 6e7);
  return minutes < 60 ? `${minutes} min ${Math.floor((n % 6e7) / 1e6)} s` : `${whole.format(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

export const mebibytes = (kib) => (Number(kib) / 1024).toFixed(Number(kib) < 102400 ? 1 : 0);

export function time(iso) {
  return iso ? iso.slice(11, 19) : "–";
}

export function dateTime(iso) {
  return iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : "–";
}

export function monthName(month) {
  return new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en", { month: "long", year: "numeric", timeZone: "UTC" });
}

export function monthNow() {
  return new Date().toISOString().slice(0, 7);
}

export function months(n) {
  const out = [];
  const d = new Date(`${monthNow()}-01T00:00:00Z`);
  for (let i = 0; i < n; i++) {
    out.push(d.toISOString().slice(0, 7));
    d.setUTCMonth(d.getUTCMonth() - 1);
  }
  return out;
}

export function daysIn(month) {
  const [y, m] = month.split("-").map(Number);
  return new Date(Date.UTC(y, m, 0)).getUTCDate();
}

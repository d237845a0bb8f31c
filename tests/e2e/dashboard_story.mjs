// The story against a real node: cost moves while functions run, a limit refuses, the file is the API's bytes.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, browser, check, openPage, signIn } from "./browser.mjs";

const FIRST_VIEW_BYTES_MAX = 200 * 1024; // with the answers it asks for
const { FARTHING_BIN: bin, FARTHING_URL: baseURL, FARTHING_KEY: admin } = process.env;
const farthing = (...words) => execFileSync(bin, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const refused = (...words) => { try { farthing(...words); return false; } catch (error) { return error.status === 1; } };

const month = new Date().toISOString().slice(0, 7);
const call = (path, key, init = {}) => fetch(`${baseURL}${path}`, { ...init, headers: { Authorization: `Bearer ${key}`, ...init.headers } });

// What a first view weighs, and what it may load: everything from here, compressed, under a policy that allows nothing else.
const front = await fetch(`${baseURL}/`, { headers: { "Accept-Encoding": "gzip" } });
const policy = front.headers.get("Content-Security-Policy") ?? "";
check(policy.startsWith("default-src 'none'") && !policy.includes("unsafe"), `the policy is strict: ${policy}`);

const dir = mkdtempSync(join(tmpdir(), "farthing-story-"));
writeFileSync(join(dir, "index.mjs"), "export const handler = async (event) => { console.log(`seen ${event.a}`); return { seen: event }; };\n");
writeFileSync(join(dir, "book.json"), '{"currency": "USD", "meters": {"requests": {"bands": [{"price": "0.05"}]}, "compute_x86_64": {"bands": [{"price": "0.0000166667"}]}}}');
farthing("prices", "put", "story", join(dir, "book.json"));
farthing("account", "create", "story", "--price-book", "story");
rmSync(join(dir, "book.json"));
farthing("function", "deploy", dir, "--account", "story", "--name", "echo");
rmSync(dir, { recursive: true });
const key = farthing("key", "create", "story", "--quiet").trim();

const page = await openPage({ baseURL });
const addresses = new Map(), weights = new Map(); // each address once: refreshing is no part of the first view
const session = await page.context().newCDPSession(page);
await session.send("Network.enable");
session.on("Network.requestWillBeSent", (e) => addresses.set(e.requestId, e.request.url));
session.on("Network.loadingFinished", (e) => { const url = addresses.get(e.requestId); if (!weights.has(url)) weights.set(url, e.encodedDataLength); });
await signIn(page, key);
await page.waitForSelector("#h-daily ~ .fill >> text=Nothing was used in this month.");
const bytes = [...weights.values()].reduce((a, b) => a + b, 0);
check(bytes > 0 && bytes < FIRST_VIEW_BYTES_MAX, `the first view is ${bytes} bytes`);

// Cost moves while functions run, without anybody pressing anything.
const cost = async () => Number((await page.locator("#cost-total").innerText()).replace("$", ""));
const untilCost = async (least) => { for (let tries = 0; (await cost()) < least; tries++) { check(tries < 300, `cost reaches ${least}`); await page.waitForTimeout(100); } };
check((await cost()) === 0, "it begins at nothing");
farthing("invoke", "story/echo", "--payload", '{"a":1}');
await untilCost(0.05);
await page.waitForSelector("#h-spenders ~ .fill .ranking >> text=echo");
await page.waitForSelector(".hero canvas");
await accessible(page, "overview of a real node");
farthing("invoke", "story/echo", "--payload", '{"a":2}');
farthing("invoke", "story/echo", "--payload", '{"a":3}');
await untilCost(0.15);

// One function: its latency, its newest calls, what it printed.
await page.click("#h-spenders ~ .fill a:has-text('echo')");
await page.waitForSelector(".log >> text=seen 3");
await page.waitForSelector("#h-calls ~ .fill tbody tr:nth-child(3)");
await page.fill(".tools input", "seen 2");
check((await page.locator(".log li").count()) === 1, "the log is filtered");
await accessible(page, "a function of a real node");
await page.click("nav a:has-text('Live')");
await page.waitForSelector("#h-live ~ .fill table >> text=ok");

// The files are the API's bytes.
await page.click("nav a:has-text('Invoices')");
await page.waitForSelector("#h-lines ~ .fill tfoot >> text=$0.15");
await page.click(`[data-focus="more-${month}"] summary`);
for (const layout of ["summary", "focus"]) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(`[data-focus="dl-${month}-${layout}"]`)]);
  const saved = readFileSync(await file.path());
  const same = Buffer.from(await (await call(`/v1/accounts/story/bills/${month}?layout=${layout}`, key)).arrayBuffer());
  const steady = (b) => b.toString("utf8").replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "T"); // an estimate says up to when it is complete
  check(saved.length > 100 && steady(saved) === steady(same), `the downloaded ${layout} bill has the API's bytes`);
}
await page.click("nav a:has-text('Overview')");

// A key that may only look, made in the browser: it signs in, sees no keys, and is refused once it is revoked.
await page.click("nav a:has-text('Keys')");
await page.click("[data-focus=new-key]");
await page.fill("#m-name", "auditor");
await page.selectOption("#m-scope", "read");
await accessible(page, "making a key");
await page.click("dialog button[type=submit]");
const looker = await page.locator("dialog .secret code").innerText();
await accessible(page, "a key that was made");
await page.click("dialog button.primary");
const auditor = await openPage({ baseURL }, ["401"]);
await signIn(auditor, looker);
await auditor.waitForSelector("#h-spenders ~ .fill .ranking >> text=echo");
check((await auditor.locator("nav a:has-text('Keys')").count()) === 0, "who may only look sees no keys");
await page.click("button[aria-label='Revoke auditor']");
await page.click("dialog button[type=submit]");
await page.waitForSelector("#h-keys ~ .fill >> text=revoked");
await auditor.waitForSelector("#key-error:has-text('does not work any more')");
await page.click("nav a:has-text('Overview')");

// The operator sees who spends, sets a limit, and the next call is refused.
const operator = await openPage({ baseURL }, ["400"]);
await signIn(operator, admin);
await operator.waitForSelector("#h-spenders ~ .fill .ranking >> text=$0.15");
await accessible(operator, "operator of a real node");
await operator.click("#h-spenders ~ .fill a:has-text('story')");
await operator.click("[data-focus=quota-gb_seconds_per_month]");
await operator.fill("#q-limit", "lots");
await operator.click("dialog button[type=submit]");
await operator.waitForSelector("#q-error:not(:empty)");
await operator.fill("#q-limit", "0.001");
await operator.click("dialog button[type=submit]");
await operator.waitForSelector("dialog", { state: "detached" });
for (let tries = 0; !refused("invoke", "story/echo"); tries++) {
  check(tries < 100, "the limit refuses within seconds");
  await operator.waitForTimeout(100);
}
await operator.waitForSelector(".bar.full[aria-label='GB-seconds per month']");
await page.waitForSelector(".bar.full[aria-label='GB-seconds per month']");
await page.waitForSelector("dd >> text=/[1-9][0-9]* refused/");
await page.click("nav a:has-text('Limits')");
await page.waitForSelector("#h-refusals ~ .fill table >> text=GB-seconds of the month used up");
await operator.click("text=All accounts");
await operator.waitForSelector("#h-levels ~ .fill >> text=GB-seconds per month");

// A month is closed from the browser; there is nothing to bill in it.
await operator.click("nav a:has-text('Month close')");
await operator.click("[data-focus=close]");
await operator.click("dialog button[type=submit]");
await operator.waitForSelector("#h-progress ~ .fill >> text=ended");

// Five minutes in the browser alone, with the operator's key: an account, a function, a call, its cost, a limit, a refusal, the bill.
const begun = Date.now();
const person = await openPage({ baseURL }, ["400", "409", "429"]);
let acts = 0;
const press = (selector) => { acts++; return person.click(selector); };
const write = (selector, text) => { acts++; return person.fill(selector, text); };
await signIn(person, admin);
await person.waitForSelector("#h-accounts ~ .fill table");
await press("[data-focus=new-account]");
await write("#a-name", "story");
await accessible(person, "making an account");
await press("dialog button[type=submit]");
await person.waitForSelector("dialog .error:not(:empty)"); // there is one of this name
await write("#a-name", "browser");
await press("dialog button[type=submit]");
await person.waitForSelector("#cost-total");
await press("nav a:has-text('Functions')");
await person.waitForSelector("#h-functions ~ .fill >> text=No function is deployed.");
await press("[data-focus=new-function]");
await write("#d-name", "greet");
await person.click("dialog summary");
await accessible(person, "writing a function");
await press("dialog button[type=submit]");
await person.waitForSelector("[data-focus=run]");
await write("#r-event", "{");
await press("[data-focus=run]");
await person.waitForSelector(".run >> text=no JSON");
await write("#r-event", '{"name": "Grace"}');
await press("[data-focus=run]");
await person.waitForSelector(".answer >> text=Hello, Grace");
check(/^billed [1-9][0-9,]* ms at 128 MiB .* cold$/.test(await person.locator(".run p").innerText()), "the page says what the call cost");
await person.waitForSelector("#h-calls ~ .fill tbody tr");
await accessible(person, "a function that ran");
await press("nav a:has-text('Functions')");
await press("[data-focus=new-function]");
await write("#d-name", "greet");
await person.selectOption("#d-language", "python");
check((await person.inputValue("#d-code")).startsWith("def handler"), "the example is in the chosen language");
await press("dialog button[type=submit]");
await person.waitForSelector("#d-error:has-text('exists already')");
await write("#d-name", "snake");
await press("dialog button[type=submit]");
await press("[data-focus=run]");
await person.waitForSelector(".answer >> text=Hello, Ada");
await press("nav a:has-text('Limits')");
await press("[data-focus=quota-requests_per_month]");
await write("#q-limit", "2");
await press("dialog button[type=submit]");
await person.waitForSelector("dialog", { state: "detached" });
await press("nav a:has-text('Functions')");
await press("[data-focus=fn-snake]");
for (let tries = 0; !(await person.locator(".run >> text=A limit refused it").count()); tries++) {
  check(tries < 100, "the limit refuses within seconds");
  await person.click("[data-focus=run]:enabled");
  await person.waitForSelector(".run p:not(:has-text('It runs'))");
}
check((await person.locator(".answer").innerText()).includes("The limit is 2 calls a month"), "the refusal is explained");
await press("nav a:has-text('Invoices')");
await person.waitForSelector("#h-lines ~ .fill tfoot >> text=$0.00");
await press(`[data-focus="more-${month}"] summary`);
const [bill] = await Promise.all([person.waitForEvent("download"), press(`[data-focus="dl-${month}-summary"]`)]);
check(readFileSync(await bill.path(), "utf8").includes("acct_"), "the bill is there to keep");
check(person.troubles.length === 0, `no console errors: ${person.troubles}`);
console.log(`five minutes in the browser: ${acts} things clicked or written, ${Date.now() - begun} ms of the machine`);
check(page.troubles.length + operator.troubles.length === 0, `no console errors, no outside request: ${page.troubles} ${operator.troubles}`);
await browser.close();
console.log(`dashboard story: fine; the first view is ${bytes} bytes`);

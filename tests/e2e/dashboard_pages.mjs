// Every page in light, dark and phone width, and the states that are rare: against dashboard_mock.mjs.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { accessible, browser, check, openPage, signIn } from "./browser.mjs";

const mock = spawn(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), "dashboard_mock.mjs"), process.env.DIST], { stdio: ["pipe", "pipe", "inherit"] });
const baseURL = (await new Promise((done) => mock.stdout.once("data", done))).toString().trim();
const state = (name) => fetch(`${baseURL}/mock?state=${name}`);
const text = (page, selector) => page.locator(selector).innerText();

// address, what shows that it is drawn
const TENANT = [["#/", "#cost-total"], ["#/acme/functions", "#h-functions ~ .fill table"], ["#/acme/functions/search", ".charts canvas"], ["#/acme/limits", "#h-quotas ~ .fill .bar"],
  ["#/acme/invoices", "#h-bills ~ .fill table"], ["#/acme/invoices/inv_000002", "#h-lines ~ .fill tfoot"], ["#/acme/live", "#h-live ~ .fill table"],
  ["#/acme/keys", "#h-keys ~ .fill table"]];
const OPERATOR = [["#/", "#h-spenders ~ .fill .ranking"], ["#/@close", "#h-progress ~ .fill .tiles"]];
const PHONE = { viewport: { width: 360, height: 780 } };
const LOOKS = [["light", {}], ["dark", { colorScheme: "dark" }], ["phone", PHONE]];

async function everyPage(look, options, key, pages) {
  const rules = look === "dark" ? ["color-contrast"] : null;
  const page = await openPage({ baseURL, ...options });
  await page.goto("/");
  await page.waitForSelector("#key");
  await accessible(page, `sign in, ${look}`, rules);
  await signIn(page, key);
  for (const [address, drawn] of pages) {
    await page.evaluate((hash) => { location.hash = hash; }, address);
    await page.waitForSelector(drawn);
    await page.waitForSelector(".skeleton", { state: "detached" });
    await accessible(page, `${address}, ${look}`, rules);
    check((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${address} fits the width, ${look}`);
  }
  if (key === "far_tenant") {
    await page.evaluate(() => { location.hash = "#/"; });
    await page.check("[data-focus=form-table]");
    await page.waitForSelector("#h-daily ~ .fill table");
    await accessible(page, `daily table, ${look}`, rules);
  }
  await page.goto("about:blank");
  check(page.troubles.length === 0, `no console errors, ${look}: ${page.troubles}`);
  await page.context().close();
}

await Promise.all(LOOKS.flatMap(([look, options]) => [everyPage(look, options, "far_tenant", TENANT), everyPage(look, options, "far_admin", OPERATOR)]));

{ // what an operator is told, a month that closes, and a limit changed: with the keyboard alone
  const page = await openPage({ baseURL });
  const pressTo = async (selector, key = "Tab") => {
    for (let i = 0; i < 120; i++) {
      if (await page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector)) return;
      await page.keyboard.press(key);
    }
    throw new Error(`${selector} cannot be reached with ${key}`);
  };
  await signIn(page, "far_admin");
  await page.waitForSelector("#h-attention ~ .fill li");
  const hand = await text(page, "#h-attention ~ .fill");
  for (const part of ["node-2 has not reported", "globex is parked for", "claims 26, the records have 22", "1 limit is used up"]) check(hand.includes(part), `the operator is told "${part}" in ${hand}`);
  check((await text(page, ".tiles")).includes("$128.27"), "spend of all accounts is their sum");
  await page.reload();
  await page.waitForSelector("#h-attention ~ .fill li");
  await page.keyboard.press("Tab");
  check(await page.evaluate(() => document.activeElement.className === "skip"), "the first stop skips to the content");
  await page.keyboard.press("Enter");
  check(await page.evaluate(() => document.activeElement.id === "main" && location.hash === ""), "and it does");
  await page.evaluate(() => document.activeElement.blur());
  await page.focus(".skip");
  await pressTo("nav a[href='#/@close']");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#h-parked ~ .fill table");
  await state("closing");
  await page.waitForSelector(".bar[aria-label='Progress of the close'][aria-valuenow='40']");
  await accessible(page, "a month that closes");
  check(await page.isDisabled("[data-focus=close]"), "it is not started twice");
  await state("fine");
  await page.waitForSelector("[data-focus=close]:enabled");
  await pressTo("[data-focus=close]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  await accessible(page, "close dialog");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  check(await page.evaluate(() => document.activeElement.dataset.focus === "close"), "the focus is back where it was");
  await pressTo(".brand", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("a[data-focus^=account-]");
  await pressTo("a[data-focus^=account-]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-focus=quota-concurrency]");
  await pressTo("[data-focus=quota-concurrency]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  await accessible(page, "limit dialog");
  await pressTo("dialog [data-focus=try]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog :text('would have refused 1,276 of 2,276 calls')");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  check(page.troubles.length === 0, `no console errors: ${page.troubles}`);
  await page.context().close();
}

{ // a wrong key, an empty account, what is not there, a slow node, a failing node, a node that is gone, and back
  const page = await openPage({ baseURL }, ["401", "404", "503", "ERR_", "the server responded"]);
  await page.goto("/");
  await page.fill("#key", "nonsense");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("key-error").textContent.includes("not known"));
  await state("slow");
  await page.fill("#key", "far_tenant");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".skeleton");
  await accessible(page, "loading");
  await state("empty");
  await page.reload();
  await page.waitForSelector("#h-daily ~ .fill >> text=Nothing was used in this month.");
  for (const [address] of TENANT.filter(([a]) => !a.includes("inv_"))) {
    await page.evaluate((hash) => { location.hash = hash; }, address);
    await page.waitForSelector(".empty");
    await page.waitForSelector(".skeleton", { state: "detached" });
    await accessible(page, `empty ${address}`);
  }
  await page.evaluate(() => { location.hash = "#/"; });
  await state("failing");
  await page.waitForSelector("#banner:not([hidden])");
  check((await text(page, "#banner")).includes("The database cannot be reached"), "the problem is shown");
  await accessible(page, "failing");
  await state("fine");
  await page.click("#banner button");
  await page.waitForSelector("#banner", { state: "hidden" });
  await page.waitForSelector("canvas");
  await page.context().setOffline(true);
  await page.waitForSelector("#banner:has-text('does not answer')");
  check((await page.locator("canvas").count()) === 2, "old numbers stay while the node is gone");
  await page.context().setOffline(false);
  await page.waitForSelector("#banner", { state: "hidden" });
  check(page.troubles.length === 0, `no other console errors: ${page.troubles}`);
  await page.context().close();
}

await browser.close();
mock.stdin.end();
console.log("dashboard pages: fine");

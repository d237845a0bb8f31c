// Every page in light, dark and phone width, and the states that are rare: against dashboard_mock.mjs.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { accessible, browser, check, openPage, signIn } from "./browser.mjs";

const mock = spawn(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), "dashboard_mock.mjs"), process.env.DIST], { stdio: ["pipe", "pipe", "inherit"] });
const baseURL = (await new Promise((done) => mock.stdout.once("data", done))).toString().trim();
const state = (name) => fetch(`${baseURL}/mock?state=${name}`);
const text = (page, selector) => page.locator(selector).innerText();

const looks = [["light", {}], ["dark", { colorScheme: "dark" }], ["phone", { viewport: { width: 360, height: 780 } }], ["phone, dark", { viewport: { width: 360, height: 780 }, colorScheme: "dark" }]];
for (const [look, options] of looks) {
  const page = await openPage({ baseURL, ...options });
  await page.goto("/");
  await page.waitForSelector("#key");
  await accessible(page, `sign in, ${look}`);
  await signIn(page, "far_tenant");
  await page.waitForSelector("canvas");
  await accessible(page, `overview, ${look}`);
  check((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `overview fits the width, ${look}`);
  await page.check("[data-focus=form-table]");
  await page.waitForSelector("#h-daily + .fill table");
  await accessible(page, `daily table, ${look}`);
  await page.click("nav a:has-text('Live')");
  await page.waitForSelector("#h-live ~ .fill table");
  await accessible(page, `live, ${look}`);
  await page.goto("about:blank");
  check(page.troubles.length === 0, `no console errors, ${look}: ${page.troubles}`);
  await page.context().close();
}

{ // the operator's page, and a limit changed with the keyboard alone
  const page = await openPage({ baseURL });
  await signIn(page, "far_admin");
  await page.waitForSelector("#h-accounts + .fill table");
  await accessible(page, "operator");
  await page.focus("a[data-focus^=account-]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-focus=quota-concurrency]");
  await page.focus("[data-focus=quota-concurrency]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  await accessible(page, "limit dialog");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.context().close();
}

{ // a wrong key, an empty account, a failing node, a node that is gone, and back
  const page = await openPage({ baseURL }, ["401", "503", "ERR_", "the server responded"]);
  await page.goto("/");
  await page.fill("#key", "nonsense");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("key-error").textContent.includes("not known"));
  await state("empty");
  await signIn(page, "far_tenant");
  await page.waitForSelector("text=Nothing was used in this month.");
  await accessible(page, "empty");
  await state("failing");
  await page.waitForSelector("#banner:not([hidden])");
  check((await text(page, "#banner")).includes("the database cannot be reached"), "the problem is shown");
  await accessible(page, "failing");
  await state("fine");
  await page.waitForSelector("#banner", { state: "hidden" });
  await page.waitForSelector("canvas");
  await page.context().setOffline(true);
  await page.waitForSelector("#banner:has-text('does not answer')");
  check((await page.locator("canvas").count()) === 1, "old numbers stay while the node is gone");
  await page.context().setOffline(false);
  await page.waitForSelector("#banner", { state: "hidden" });
  check(page.troubles.length === 0, `no other console errors: ${page.troubles}`);
  await page.context().close();
}

await browser.close();
mock.stdin.end();
console.log("dashboard pages: fine");

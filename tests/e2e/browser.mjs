// What both browser tests share: a browser, pages that fail on any console error, axe.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.MODULES;
const { chromium } = await import(pathToFileURL(join(modules, "playwright-core/index.mjs")));
const axe = await readFile(createRequire(import.meta.url).resolve(join(modules, "axe-core/axe.min.js")), "utf8");

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

export function check(condition, text) {
  if (!condition) throw new Error(`not so: ${text}`);
}

// expected: texts of console errors that are part of the test.
export async function openPage(options = {}, expected = []) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  await page.addInitScript(() => location.protocol === "http:" && sessionStorage.setItem("farthing.pace", "10"));
  page.troubles = [];
  const note = (text) => expected.some((e) => text.includes(e)) || page.troubles.push(text);
  page.on("console", (m) => m.type() === "error" && note(m.text()));
  page.on("pageerror", (e) => note(e.message));
  page.on("request", (r) => !r.url().startsWith(options.baseURL) && !/^(blob|data):/.test(r.url()) && note(`outside request: ${r.url()}`));
  return page;
}

export async function signIn(page, key) {
  await page.goto("/");
  await page.fill("#key", key);
  await page.keyboard.press("Enter");
  await page.waitForSelector("header.top");
}

// Evaluated, not injected as a script element: the page's policy forbids those.
// rules: only these; a page that was looked at already and differs in colours alone needs no more.
export async function accessible(page, where, rules = null) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate((only) => axe.run(document, { runOnly: only ?? ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] }), rules);
  check(found.violations.length === 0, `${where} is accessible: ${found.violations.map((v) => `${v.id} at ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join("; ")}`).join("\n")}`);
}

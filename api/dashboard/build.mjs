// Bundles src/ into one folder of static files: node build.mjs [OUT]   (default: dist)
import { build } from "esbuild";
import { cp, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const FIRST_VIEW_BYTES_MAX = 200 * 1024; // everything the first view loads, compressed

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "dist"));

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: [join(here, "src/main.js"), join(here, "src/app.css")],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2021"],
  legalComments: "none",
  nodePaths: [join(here, "node_modules")],
  outdir: out,
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) {
  await cp(join(here, "src", name), join(out, name));
}

let total = 0;
for (const name of await readdir(out)) {
  if ((await stat(join(out, name))).isFile()) {
    total += gzipSync(await readFile(join(out, name))).length;
  }
}
if (total > FIRST_VIEW_BYTES_MAX) {
  console.error(`dashboard: ${total} bytes compressed; the most is ${FIRST_VIEW_BYTES_MAX}`);
  process.exit(1);
}
console.log(`dashboard: ${total} bytes compressed`);

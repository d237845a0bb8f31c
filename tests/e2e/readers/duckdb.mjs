// duckdb.mjs FROM.csv TO.csv COLUMN,...: reads a table as text by the letter of RFC 4180 and writes it again. MODULES is the
// folder of @duckdb/node-api.
import { createRequire } from "node:module";

const { DuckDBInstance } = createRequire(`${process.env.MODULES}/`)("@duckdb/node-api");
const [from, to, names] = process.argv.slice(2);
const text = (value) => `'${value.replaceAll("'", "''")}'`;
const columns = names.split(",").map((name) => `${text(name)}: 'VARCHAR'`);
const db = await (await DuckDBInstance.create(":memory:")).connect();
await db.run(`CREATE TABLE t AS SELECT * FROM read_csv(${text(from)}, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
  strict_mode = true, parallel = false, columns = {${columns}})`);
await db.run(`COPY t TO ${text(to)} (FORMAT csv, HEADER)`);

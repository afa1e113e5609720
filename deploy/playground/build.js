// Copies GraphiQL's files from node_modules into the Python package. They are published ready to use, and each must be what
// src/callscope/web/graphiql.json says, so that the bundle, the CDN's files and what was tested are the same bytes.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const web = new URL("../../src/callscope/web/", import.meta.url);
const bundle = new URL("graphiql/", web);
const assets = JSON.parse(readFileSync(new URL("graphiql.json", web), "utf8"));
const modules = new URL("node_modules/", import.meta.url);

const files = assets.map(({ file, package: name, path, integrity }) => {
  const bytes = readFileSync(new URL(`${name}/${path}`, modules));
  const found = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
  if (found !== integrity) throw new Error(`${name}/${path} is ${found}, but graphiql.json says ${integrity}`);
  return [file, bytes];
});
for (const name of ["graphiql", "react"]) files.push([`LICENSE.${name}`, readFileSync(new URL(`${name}/LICENSE`, modules))]);

rmSync(bundle, { recursive: true, force: true });
mkdirSync(bundle);
for (const [file, bytes] of files) writeFileSync(new URL(file, bundle), bytes);
console.log(`${files.length} files in ${bundle.pathname}`);

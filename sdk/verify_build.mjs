// Proves that dist/ is what src/ builds, and that it stays under the size bars. CI runs it; it changes nothing.
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll } from "./build.mjs";
import { BARS, measure } from "./sizes.mjs";

const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");
const fresh = await mkdtemp(join(tmpdir(), "shoplight-sdk-"));
const faults = [];
try {
  await buildAll(fresh);
  const names = [...new Set([...(await readdir(fresh)), ...(await readdir(dist))])].sort();
  for (const name of names) {
    const [built, kept] = await Promise.all([fresh, dist].map((dir) => readFile(join(dir, name)).catch(() => null)));
    if (!built || !kept || !built.equals(kept)) faults.push(`dist/${name} is not what src/ builds: run npm run build`);
  }
  const sizes = await measure(fresh);
  for (const [name, bar] of Object.entries(BARS)) if (sizes[name] > bar) faults.push(`${name} is ${sizes[name]} B gzip, the bar is ${bar} B`);
  console.log(JSON.stringify({ gzip_bytes: sizes, bars: BARS, same: faults.length === 0 }));
} finally {
  await rm(fresh, { recursive: true, force: true });
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length ? 1 : 0;

// The gzip sizes of the bundles, and the bars they must stay under (bytes).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export const BARS = { loader: 2500, imagePage: 12_000, video: 8000 };

const gzipped = async (path) => gzipSync(await readFile(path), { level: 9 }).length;

export const measure = async (dist) => {
  const [loader, core, video] = await Promise.all(["shoplight.js", "core.js", "video.js"].map((name) => gzipped(join(dist, name))));
  return { loader, core, imagePage: loader + core, video };
};

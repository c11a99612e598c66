// The gzip sizes of the bundles, and the bars they must stay under (bytes).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export const BARS = { loader: 2500, imagePage: 12_000, video: 8000, feedback: 3000 };

const FILES = { loader: "shoplight.js", core: "core.js", video: "video.js", feedback: "feedback.js" };

const gzipped = async (path) => gzipSync(await readFile(path), { level: 9 }).length;

export const measure = async (dist) => {
  const sizes = {};
  for (const [name, file] of Object.entries(FILES)) sizes[name] = await gzipped(join(dist, file));
  return { ...sizes, imagePage: sizes.loader + sizes.core };
};

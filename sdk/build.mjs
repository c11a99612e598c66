// Bundles src/ into dist/. The same sources and lockfile give the same bytes: verify_build.mjs proves it.
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

const target = ["es2022", "chrome110", "firefox115", "safari16.4"];

/** A style sheet becomes a string: it goes into adoptedStyleSheets, never into the page. */
const cssAsText = {
  name: "css-as-text",
  setup: ({ onLoad }) => onLoad({ filter: /\.css$/ }, async ({ path }) => {
    const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target });
    return { contents: code.trim(), loader: "text" };
  }),
};

/** A named figure is written in place of its name. esbuild does so by itself only in modules that import nothing. */
const figuresInPlace = {
  name: "figures-in-place",
  setup: ({ onLoad }) => onLoad({ filter: /\.ts$/ }, async ({ path }) => {
    const define = {};
    const text = (await readFile(path, "utf8")).replace(/^const ([A-Z_]+) = ([\d_.]+);$/gm, (_, name, figure) => {
      define[name] = figure.replaceAll("_", "");
      return "";
    });
    const tsconfigRaw = await readFile(join(here, "tsconfig.json"), "utf8");
    const { code } = await transform(text, { loader: "ts", define, target, tsconfigRaw });
    return { contents: code, loader: "js" };
  }),
};

/** Properties that stay inside one bundle and are no name of the browser's or of the API's: they become single letters. */
const OWN_NAMES = new RegExp(`^(${[
  "asked", "attempts", "clicked", "clippers", "consider", "drawn", "exposure", "filled", "film", "flying", "follow", "forget", "frame", "fresh",
  "identity", "inset", "later", "level", "linear", "near", "newView", "onChange", "picture", "record", "share", "spots", "until", "votes", "wanted",
].join("|")})$`);

const bundle = async (entry, name, outdir, format, define) => {
  const outfile = join(outdir, name);
  await build({
    absWorkingDir: here, entryPoints: [join("src", entry)], outfile, bundle: true, minify: true, format, define,
    target, mangleProps: OWN_NAMES, charset: "ascii", legalComments: "none", logLevel: "warning", plugins: [cssAsText, figuresInPlace],
  });
  // The content's hash in the address lets the parts be cached for good while shoplight.js is looked up again.
  const hash = createHash("sha256").update(await readFile(outfile)).digest("hex").slice(0, 10);
  return JSON.stringify(`${name}?v=${hash}`);
};

export const buildAll = async (outdir) => {
  await mkdir(outdir, { recursive: true });
  const video = await bundle("video.ts", "video.js", outdir, "esm", {});
  const feedback = await bundle("feedback.ts", "feedback.js", outdir, "esm", {});
  const core = await bundle("core.ts", "core.js", outdir, "esm", { VIDEO_FILE: video, FEEDBACK_FILE: feedback });
  await bundle("loader.ts", "shoplight.js", outdir, "iife", { CORE_FILE: core });
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll(join(here, "dist"));

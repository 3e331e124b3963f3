// Builds the stylesheet and the script of the portal into crates/portal/assets, where they are committed: whoever has
// only Rust can run the portal. With --check it builds elsewhere and fails when what is committed differs.
import { mkdtemp, readFile, rm, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { compileAsync } from "sass";

const portal = dirname(dirname(fileURLToPath(import.meta.url)));
const root = dirname(dirname(portal));
const assets = join(portal, "assets");

// What the pages may weigh, in bytes as they are served without compression.
const LIMITS = { "tacit.css": 120_000, "tacit.js": 60_000 };
// Browsers that are not older than these get all of it; others get the pages without a script, or plainer ones.
const BROWSERS = ["chrome111", "edge111", "firefox115", "safari16.4"];
const NOTICE = "/* Made by npm run assets; has parts of govuk-frontend, MIT, see LICENSE-govuk-frontend.txt */\n";

async function stylesheet() {
  const { css } = await compileAsync(join(portal, "style/tacit.scss"), {
    loadPaths: [join(root, "node_modules")],
    charset: false,
  });
  const { code } = await transform(css, { loader: "css", minify: true, target: BROWSERS });
  return NOTICE + code;
}

async function script() {
  const { outputFiles } = await build({
    entryPoints: [join(portal, "script/tacit.mjs")],
    bundle: true,
    minify: true,
    format: "esm",
    target: BROWSERS,
    legalComments: "inline",
    write: false,
  });
  return NOTICE + outputFiles[0].text;
}

async function buildInto(folder) {
  await mkdir(folder, { recursive: true });
  const made = { "tacit.css": await stylesheet(), "tacit.js": await script() };
  for (const [name, text] of Object.entries(made)) {
    const size = Buffer.byteLength(text);
    if (size > LIMITS[name]) throw new Error(`${name} has ${size} bytes, more than ${LIMITS[name]}`);
    await writeFile(join(folder, name), text);
    console.log(`${name}: ${size} bytes`);
  }
  return Object.keys(made);
}

async function check() {
  const folder = await mkdtemp(join(tmpdir(), "tacit-assets-"));
  try {
    for (const name of await buildInto(folder)) {
      const committed = await readFile(join(assets, name), "utf8").catch(() => "");
      if (committed !== (await readFile(join(folder, name), "utf8"))) {
        console.error(`${relative(root, join(assets, name))} is not what its sources make: run npm run assets`);
        process.exitCode = 1;
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (process.argv.includes("--check")) await check();
else await buildInto(assets);

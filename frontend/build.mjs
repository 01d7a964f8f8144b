// Builds what static/ serves: the style sheet, the icon sprite and the vendored libraries.
// `npm ci && npm run build`; the output is committed, and building twice gives equal bytes.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");
const modules = join(here, "node_modules");

// package -> files served, and the packages that its bundle carries inside.
const VENDORED = {
  "htmx.org": { files: { "dist/htmx.min.js": "htmx.min.js" } },
  "@alpinejs/csp": { files: { "dist/cdn.min.js": "alpine-csp.min.js" }, licence: "alpinejs.txt", carries: ["@vue/reactivity", "@vue/shared"] },
  sortablejs: { files: { "Sortable.min.js": "sortable.min.js" } },
  "tus-js-client": {
    files: { "dist/tus.min.js": "tus.min.js" },
    carries: ["js-base64", "url-parse", "querystringify", "requires-port"],
  },
  "mpegts.js": { files: { "dist/mpegts.js": "mpegts.js" }, carries: ["es6-promise", "events"], notice: "dist/mpegts.js.LICENSE.txt" },
  uplot: { files: { "dist/uPlot.iife.min.js": "uplot.min.js", "dist/uPlot.min.css": "uplot.min.css" } },
};

// Names in Lucide's set; templates use them as {% include "components/icon.html" with name="…" %}.
const ICONS = `activity arrow-down arrow-left arrow-right arrow-up building-2 calendar check chevron-down
  chevron-left chevron-right circle-alert circle-check circle-help circle-x clock cloud-upload copy download
  ellipsis external-link eye eye-off file-video film folder gauge globe grip-vertical hard-drive history info
  key-round layout-dashboard link list-video loader-circle lock log-out mail menu monitor-play moon music pause pencil
  play plus radio radio-tower refresh-cw repeat search settings shield-check shuffle skip-forward square sun
  trash-2 triangle-alert undo-2 upload user user-plus users video volume-2 volume-x wifi-off x zap`.split(/\s+/);

function manifest(name) {
  return JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
}

function licenceText(name, fallback) {
  for (const file of ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "LICENSE-MIT"]) {
    const path = join(modules, name, file);
    if (existsSync(path)) return readFileSync(path, "utf8").trim() + "\n";
  }
  if (fallback) return readFileSync(join(here, "licences", fallback), "utf8").trim() + "\n";
  throw new Error(`${name} ships no licence file: put one into frontend/licences and name it in build.mjs`);
}

function buildVendor() {
  const vendor = join(out, "vendor");
  rmSync(vendor, { recursive: true, force: true });
  mkdirSync(join(vendor, "licences"), { recursive: true });
  const rows = [];
  const addLicence = (name, fallback) => {
    const target = `licences/${name.replace("@", "").replace("/", "-")}.txt`;
    writeFileSync(join(vendor, target), licenceText(name, fallback));
    return target;
  };
  for (const [name, { files, licence, notice, carries = [] }] of Object.entries(VENDORED)) {
    for (const [from, to] of Object.entries(files)) {
      // A reference to a map that is not served breaks hashed static file names.
      const text = readFileSync(join(modules, name, from), "utf8").replace(/^\/\/# sourceMappingURL=.*$/gm, "");
      writeFileSync(join(vendor, to), text.trimEnd() + "\n");
    }
    const licences = [addLicence(name, licence)];
    if (notice) {
      const target = `licences/${name}-bundled.txt`;
      copyFileSync(join(modules, name, notice), join(vendor, target));
      licences.push(target);
    }
    for (const inner of carries) licences.push(addLicence(inner, `${inner.replace("@", "").replace("/", "-")}.txt`));
    rows.push([name, manifest(name).version, manifest(name).license, Object.values(files).join(", "), licences.join(", ")]);
  }
  const lucide = manifest("lucide-static");
  rows.push(["lucide-static", lucide.version, lucide.license, "../img/icons.svg", addLicence("lucide-static")]);
  for (const name of ["daisyui", "tailwindcss"]) {
    rows.push([name, manifest(name).version, manifest(name).license, "../css/app.css", addLicence(name)]);
  }
  const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
  writeFileSync(
    join(vendor, "README.md"),
    `# Vendored front-end libraries\n\nWritten by frontend/build.mjs; change versions in frontend/package.json.\n\n` +
      `| package | version | licence | served as | licence texts |\n|---|---|---|---|---|\n${table}\n`,
  );
}

function buildIcons() {
  const symbols = ICONS.map((name) => {
    const svg = readFileSync(join(modules, "lucide-static", "icons", `${name}.svg`), "utf8");
    const body = svg.replace(/<!--.*?-->/gs, "").replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "");
    return `<symbol id="${name}" viewBox="0 0 24 24">${body.replace(/\s*\n\s*/g, "")}</symbol>`;
  });
  mkdirSync(join(out, "img"), { recursive: true });
  writeFileSync(join(out, "img", "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`);
}

function buildCss() {
  const cli = join(modules, "@tailwindcss", "cli", "dist", "index.mjs");
  mkdirSync(join(out, "css"), { recursive: true });
  execFileSync(process.execPath, [cli, "-i", "src/app.css", "-o", join(out, "css", "app.css"), "--minify"], {
    cwd: here,
    stdio: "inherit",
  });
}

const wanted = process.argv.slice(2);
const all = wanted.length === 0;
if (all || wanted.includes("vendor")) {
  buildVendor();
  buildIcons();
}
if (all || wanted.includes("css")) buildCss();

"use strict";

// Puts the site together in dist/: names of scripts carry a digest of their content, the page names them.
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const template = require("tiny-template");

const { values } = parseArgs({
  options: { "public-path": { type: "string", default: "/" }, revision: { type: "string", default: "unknown" } },
});
const { version } = require("./package.json");

fs.rmSync("dist", { recursive: true, force: true });
fs.cpSync("public", "dist", { recursive: true });
fs.mkdirSync("dist/assets");

const scripts = fs
  .readdirSync("src")
  .filter((name) => name.endsWith(".js") && !name.endsWith(".test.js"))
  .sort()
  .map((name) => {
    const code = fs.readFileSync(path.join("src", name), "utf8").replace(/^\s*\/\/.*\n/gm, "");
    const digest = createHash("sha256").update(code).digest("hex").slice(0, 8);
    const asset = `assets/${path.basename(name, ".js")}.${digest}.js`;
    fs.writeFileSync(path.join("dist", asset), code);
    return `<script type="module" src="${values["public-path"]}${asset}"></script>`;
  });

const page = template(fs.readFileSync("public/index.html", "utf8"), {
  scripts: scripts.join("\n    "),
  version,
  revision: values.revision,
});
fs.writeFileSync("dist/index.html", page);
console.log(`${scripts.length} scripts, ${page.length} bytes of page, ${process.env.NODE_ENV}`);

// Builds the Debian packages tmr-common, tmr-server and tmr-upstream into dist/packages, from what `npm run build` made and
// what is in node_modules. The same commit gives the same bytes: times are those of SOURCE_DATE_EPOCH, by default the commit's.
//   node deploy/debian/build.mjs [--compression none] [--out FOLDER]
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({
  options: {
    compression: { type: "string", default: "xz" },
    out: { type: "string", default: join(root, "dist", "packages") },
  },
});
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
const architecture = { x64: "amd64", arm64: "arm64" }[process.arch];
const maintainer = "tmr-server developers <maintainer@tmr-server.invalid>";
const program = "usr/lib/tmr";
const work = join(root, "build", "debian");

function run(command, ...args) {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }).trim();
}

const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? run("git", "-C", root, "log", "-1", "--format=%ct"));
process.env.SOURCE_DATE_EPOCH = String(epoch);

/** The text of a file of the repository. */
const source = (path) => readFileSync(join(root, path), "utf8");

/** Modules that run: neither for development nor for building the engine from its sources. */
const modules = Object.keys(lock)
  .filter((path) => path.startsWith("node_modules/") && lock[path].dev !== true && existsSync(join(root, path)))
  .filter((path) => path !== "node_modules/node-addon-api")
  .sort();

/** Of a module, what a program loads, and its license. */
function isLoaded(module, path) {
  const inside = relative(join(root, module), path);
  if (/(?:^|\/)(?:test|tests|docs?|benchmarks?|examples?|\.github|typings)(?:\/|$)/.test(inside)) return false;
  if (/\.(?:d\.[cm]?ts|ts|map|md|yml|sh|ico|tsbuildinfo)$/.test(inside) && !/^licen[cs]e/i.test(inside)) return false;
  if (/(?:^|\/)\./.test(inside) || inside.endsWith(".html")) return false;
  // Programs for whoever installs modules.
  if (/^(?:bin|optional|build-test)\.js$/.test(inside)) return false;
  if (module === "node_modules/zod" && /^src(?:\/|$)/.test(inside)) return false;
  if (module !== "node_modules/better-sqlite3") return true;
  if (/^(?:deps|src|binding\.gyp)/.test(inside)) return false;
  return !inside.startsWith("prebuilds/") || inside === `prebuilds/linux-${process.arch}.node`;
}

class Package {
  #name;
  #folder;
  #control;

  constructor(name, control) {
    this.#name = name;
    this.#folder = join(work, name);
    this.#control = control;
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(join(this.#folder, "DEBIAN"), { recursive: true });
  }

  write(path, text, mode = 0o644) {
    const file = join(this.#folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  }

  /** A text of this package, as it is in the repository but for its role. */
  template(path, from, mode) {
    this.write(path, source(from).replaceAll("@ROLE@", this.#name), mode);
  }

  copy(path, from, filter = () => true) {
    cpSync(join(root, from), join(this.#folder, path), { recursive: true, filter });
  }

  script(name, from) {
    this.template(`DEBIAN/${name}`, from, 0o755);
  }

  /** Adds what every package has, and makes the file. */
  build() {
    const doc = `usr/share/doc/${this.#name}`;
    const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
    const changes = `${this.#name} (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md of tmr-common.\n\n -- ${maintainer}  ${date}\n`;
    this.write(`${doc}/changelog.gz`, gzipSync(changes, { level: 9 }));
    this.write(`${doc}/copyright`, copyrightText(this.#name === "tmr-common" ? modules : []));
    const files = this.#files(this.#folder).filter((file) => !relative(this.#folder, file).startsWith("DEBIAN/"));
    const sums = files.map((file) => {
      const sum = createHash("md5").update(readFileSync(file)).digest("hex");
      return `${sum}  ${relative(this.#folder, file)}\n`;
    });
    this.write("DEBIAN/md5sums", sums.join(""));
    const kib = files.reduce((sum, file) => sum + Math.ceil(lstatSync(file).size / 1024), 0);
    const fields = { Package: this.#name, Version: version, Architecture: architecture, Maintainer: maintainer };
    const all = { ...fields, "Installed-Size": kib, Section: "net", Priority: "optional", ...this.#control };
    const text = Object.entries(all).map(([key, value]) => `${key}: ${value}\n`);
    this.write("DEBIAN/control", text.join(""));
    this.#settle(this.#folder);
    const file = join(values.out, `${this.#name}_${version}_${architecture}.deb`);
    run("dpkg-deb", `-Z${values.compression}`, "--root-owner-group", "--build", this.#folder, file);
    return file;
  }

  #files(folder) {
    return readdirSync(folder, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => (entry.isDirectory() ? this.#files(join(folder, entry.name)) : [join(folder, entry.name)]));
  }

  /** Modes and times that do not come from this machine. */
  #settle(path) {
    const entry = lstatSync(path);
    if (entry.isDirectory()) for (const name of readdirSync(path)) this.#settle(join(path, name));
    const isProgram = /\/DEBIAN\/(?:postinst|prerm|postrm)$|\/bin\/(?:tmr|node)$|\/dist\/ts\/cli\/main\.js$/.test(path);
    chmodSync(path, entry.isDirectory() ? 0o755 : isProgram ? 0o755 : 0o644);
    utimesSync(path, epoch, epoch);
  }
}

/** Debian's machine-readable form; each bundled module with the text of its own license. */
function copyrightText(bundled) {
  const indented = (text) =>
    text
      .trim()
      .split("\n")
      .map((line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`))
      .join("\n");
  const paragraph = (files, copyright, license, text) =>
    `Files: ${files}\nCopyright: ${copyright}\nLicense: ${license}\n${indented(text)}\n`;
  const apache = "On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.";
  const parts = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n",
    paragraph("*", `${new Date(epoch * 1000).getUTCFullYear()} the tmr-server developers`, "Apache-2.0", apache),
  ];
  for (const module of bundled) {
    const { name, license, author } = JSON.parse(source(`${module}/package.json`));
    const file = readdirSync(join(root, module)).find((entry) => /^licen[cs]e/i.test(entry));
    const text =
      file === undefined ? `The module names its license in package.json: ${license}.` : source(`${module}/${file}`);
    const line = /^.*copyright.*\d{4}.*$/im.exec(text)?.[0].trim();
    const holder = line ?? (typeof author === "string" ? author : (author?.name ?? `the authors of ${name}`));
    parts.push(paragraph(`${program}/${module}/*`, holder, `${license}-${name.replaceAll(/[@/]/g, "-")}`, text));
  }
  if (bundled.length > 0) {
    const text = `Node.js ${process.version}; its LICENSE file, which also names the libraries inside, is that of the release's tag in its repository.`;
    parts.push(paragraph(`${program}/bin/node`, "Node.js contributors and others", "Expat-node", text));
  }
  return parts.join("\n");
}

function commonPackage() {
  const common = new Package("tmr-common", {
    Depends: "libc6 (>= 2.28), libstdc++6, systemd",
    Description:
      "2-out-of-3 license server: the program\n Servers, clients and the issuing of licenses as one command, `tmr`,\n with the Node.js that it was tested with. The packages tmr-server and\n tmr-upstream make a machine one of the five servers of a system.",
  });
  common.copy(`${program}/dist/ts`, "dist/ts", (path) => !/\.(?:d\.ts|map)$/.test(path));
  common.copy(`${program}/package.json`, "package.json");
  const engine = `${program}/prebuilds/linux-${process.arch}/tmr-server.glibc.node`;
  common.copy(engine, "build/Release/tmr_engine.node");
  for (const module of modules) {
    common.copy(`${program}/${module}`, module, (path) => isLoaded(module, path));
  }
  const sqlite = `${program}/node_modules/better-sqlite3/prebuilds/linux-${process.arch}.node`;
  for (const addon of [engine, sqlite]) run("strip", "--strip-unneeded", join(work, "tmr-common", addon));
  // Node.js is inside, byte by byte what its makers built and what the tests ran.
  const overrides = [
    "hardening-no-pie",
    "unstripped-binary-or-object",
    "embedded-library",
    "missing-dep-for-interpreter",
  ];
  common.write("usr/share/lintian/overrides/tmr-common", overrides.map((tag) => `tmr-common: ${tag} *\n`).join(""));
  common.copy(`${program}/bin/node`, relative(root, process.execPath));
  common.write("usr/bin/tmr", source("deploy/debian/tmr.sh"));
  common.write("usr/lib/sysusers.d/tmr.conf", source("deploy/systemd/tmr.sysusers"));
  common.write("usr/share/man/man1/tmr.1.gz", gzipSync(source("deploy/debian/tmr.1"), { level: 9 }));
  for (const doc of ["install", "operations", "errors", "licenses-toml", "tracking"]) {
    common.copy(`usr/share/doc/tmr-common/${doc}.md`, `docs/${doc}.md`);
  }
  common.copy("usr/share/doc/tmr-common/CHANGELOG.md", "CHANGELOG.md");
  common.script("postinst", "deploy/debian/tmr-common.postinst");
  return common;
}

function rolePackage(role, summary) {
  const own = new Package(role, {
    Depends: `tmr-common (= ${version}), init-system-helpers (>= 1.54~), systemd`,
    Description: `2-out-of-3 license server: ${summary}\n The unit of this machine's server. It starts once its configuration is\n there; tmr init of tmr-common writes those of all machines of a system.`,
  });
  own.write(`lib/systemd/system/${role}.service`, source(`deploy/systemd/${role}.service`));
  own.write(`usr/lib/tmpfiles.d/${role}.conf`, source(`deploy/systemd/${role}.tmpfiles`));
  own.write(
    `etc/default/${role}`,
    `# Environment of ${role}.service; restart it after a change.\n#NODE_OPTIONS=--max-old-space-size=4096\n`,
  );
  own.write("DEBIAN/conffiles", `/etc/default/${role}\n`);
  for (const name of ["postinst", "prerm", "postrm"]) own.script(name, `deploy/debian/role.${name}`);
  return own;
}

mkdirSync(values.out, { recursive: true });
const packages = [
  commonPackage(),
  rolePackage("tmr-server", "one of the two TMR servers"),
  rolePackage("tmr-upstream", "one of the three upstream license servers"),
];
for (const each of packages) console.log(relative(process.cwd(), each.build()));

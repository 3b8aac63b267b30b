// node node.cjs bcryptjs|bcrypt < inputs > outputs   (the package is looked up from the current directory)
const { createRequire } = require("node:module");
const loaded = createRequire(process.cwd() + "/")(process.argv[2]);
const bcrypt = loaded.default ?? loaded;
for (const line of require("node:fs").readFileSync(0, "utf8").trimEnd().split("\n")) {
  const [, clientId, clientSecret, timestamp] = line.split("\t");
  const raw = bcrypt.hashSync(`${clientId}_${timestamp}`, clientSecret);
  process.stdout.write(`${line}\t${raw}\t${Buffer.from(raw, "utf-8").toString("base64")}\n`);
}

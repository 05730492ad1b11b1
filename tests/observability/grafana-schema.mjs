// Checks dashboards against the types that Grafana publishes of its own JSON (npm: @grafana/schema).
// node grafana-schema.mjs FOLDER-WITH-NODE_MODULES DASHBOARD.json…; prints one line for each thing that does not fit.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import path from "node:path";

const [folder, ...files] = process.argv.slice(2);
const ts = createRequire(path.join(folder, "package.json"))("typescript");
const types = path.join(folder, "node_modules/@grafana/schema/dist/types");
const sources = {
  dashboard: path.join(types, "raw/dashboard/x/types.gen.d.ts"),
  common: path.join(types, "common/common.gen.d.ts"),
};
for (const kind of ["stat", "table", "timeseries"]) sources[kind] = path.join(types, `raw/composable/${kind}/panelcfg/x/types.gen.d.ts`);
const program = ts.createProgram(Object.values(sources), { noEmit: true, strict: true, skipLibCheck: true, moduleResolution: ts.ModuleResolutionKind.Bundler, module: ts.ModuleKind.ESNext });
const checker = program.getTypeChecker();

function typeOf(source, name) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(sources[source]));
  const symbol = module && checker.getExportsOfModule(module).find((one) => one.name === name);
  if (!symbol) throw new Error(`${source} has no ${name}`);
  return checker.getDeclaredTypeOfSymbol(symbol);
}

function problems(value, type, where) {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) return [];
  if (type.isUnion()) {
    const each = type.types.map((one) => problems(value, one, where));
    const best = each.sort((a, b) => a.length - b.length)[0];
    return best.length && !(typeof value === "object" && value) ? [`${where}: ${JSON.stringify(value)} is not ${checker.typeToString(type)}`] : best;
  }
  if (value === null) return type.flags & (ts.TypeFlags.Null | ts.TypeFlags.Undefined) ? [] : [`${where}: null`];
  if (type.flags & ts.TypeFlags.StringLike || type.flags & ts.TypeFlags.NumberLike) {
    const fits = type.isLiteral() ? value === type.value : typeof value === (type.flags & ts.TypeFlags.StringLike ? "string" : "number");
    return fits ? [] : [`${where}: ${JSON.stringify(value)} is not ${checker.typeToString(type)}`];
  }
  if (type.flags & ts.TypeFlags.BooleanLiteral) return String(value) === checker.typeToString(type) ? [] : [`${where}: ${value} is not ${checker.typeToString(type)}`];
  if (!(type.flags & ts.TypeFlags.Object || type.isIntersection())) return [`${where}: ${JSON.stringify(value)} is not ${checker.typeToString(type)}`];
  if (checker.isArrayType(type)) {
    if (!Array.isArray(value)) return [`${where}: is no list`];
    const [item] = checker.getTypeArguments(type);
    return value.flatMap((one, index) => problems(one, item, `${where}[${index}]`));
  }
  if (typeof value !== "object" || Array.isArray(value)) return [`${where}: ${JSON.stringify(value)} is no object`];
  const found = [];
  const index = checker.getIndexTypeOfType(type, ts.IndexKind.String);
  const known = new Map(checker.getPropertiesOfType(type).map((one) => [one.name, one]));
  for (const [name, one] of Object.entries(value)) {
    const property = known.get(name);
    if (property) found.push(...problems(one, checker.getTypeOfSymbol(property), `${where}.${name}`));
    else if (index) found.push(...problems(one, index, `${where}.${name}`));
    else if (known.size) found.push(`${where}: ${name} is not known`);
  }
  for (const [name, property] of known)
    if (!(property.flags & ts.SymbolFlags.Optional) && !(name in value)) found.push(`${where}: ${name} is missing`);
  return found;
}

const found = [];
for (const file of files) {
  const board = JSON.parse(readFileSync(file, "utf8"));
  const name = path.basename(file);
  found.push(...problems(board, typeOf("dashboard", "Dashboard"), name));
  for (const panel of board.panels) {
    const where = `${name} ${panel.title}`;
    if (panel.type === "row") {
      found.push(...problems(panel, typeOf("dashboard", "RowPanel"), where));
      continue;
    }
    if (!(panel.type in sources)) { found.push(`${where}: no schema of ${panel.type} is looked at`); continue; }
    found.push(...problems(panel, typeOf("dashboard", "Panel"), where));
    found.push(...problems(panel.options, typeOf(panel.type, "Options"), `${where}.options`));
    const custom = panel.fieldConfig.defaults.custom;
    if (custom) found.push(...problems(custom, panel.type === "table" ? typeOf("common", "TableFieldOptions") : typeOf("common", "GraphFieldConfig"), `${where}.custom`));
  }
}
for (const line of new Set(found)) console.log(line);
console.log(`${files.length} dashboards, ${new Set(found).size} problems`);
process.exit(found.length ? 1 : 0);

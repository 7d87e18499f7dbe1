// Codama generates a client for @solana/kit out of the committed IDL: node codama-generate.mjs FOLDER

import { rmSync, writeFileSync } from "node:fs";

import { definedTypeNode } from "@codama/nodes";
import { rootNodeFromAnchor } from "@codama/nodes-from-anchor";
import { renderVisitor } from "@codama/renderers-js";
import { visit } from "@codama/visitors-core";

import { idlText } from "./golden.mjs";

const [folder] = process.argv.slice(2);
rmSync(folder, { recursive: true, force: true });
const root = rootNodeFromAnchor(JSON.parse(idlText));
// The renderer leaves events out; as types it renders them, and their decoders then expect the discriminator, too.
const events = root.program.events.map(({ name, data, docs }) => definedTypeNode({ name, type: data, docs }));
const program = { ...root.program, definedTypes: [...root.program.definedTypes, ...events] };
await visit({ ...root, program }, renderVisitor(folder, { syncPackageJson: false }));
// The generated imports have no endings, which Node.js takes in this kind of module only.
writeFileSync(`${folder}/package.json`, '{ "type": "commonjs" }');

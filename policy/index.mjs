// Pulumi's runner of policy packs compiles .ts files that it requires, and fails at modules. Node.js runs what an .mjs
// imports.
import "./pack.ts";

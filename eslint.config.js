import js from "@eslint/js";
import tseslint from "typescript-eslint";

/** Imports point one way: components → providers/index; resources → facts, values, host/command, engine; facts → host/command. */
const notFrom = (...groups) => ({
  "no-restricted-imports": [
    "error",
    { patterns: [{ group: groups, message: "Imports point one way, see docs/architecture.md." }] },
  ],
});

export default tseslint.config(
  { ignores: ["node_modules/", ".jts/", "dist/", "examples/"] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
    },
  },
  {
    files: ["components/**", "index.ts"],
    rules: notFrom(
      "**/providers/engine/**",
      "**/providers/host/**",
      "**/providers/facts/**",
      "**/providers/resources/**",
      "**/providers/{entry,kinds}.ts",
      "execa",
    ),
  },
  { files: ["providers/resources/**"], rules: notFrom("@pulumi/*", "execa", "**/host/sshHost.ts", "**/components/**") },
  {
    files: ["providers/facts/**"],
    rules: notFrom("@pulumi/*", "execa", "**/engine/**", "**/resources/**", "**/host/sshHost.ts"),
  },
  {
    files: ["providers/{values,filesystems}/**"],
    rules: notFrom("@pulumi/*", "execa", "../engine/**", "../host/**", "../resources/**", "../facts/**"),
  },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
);

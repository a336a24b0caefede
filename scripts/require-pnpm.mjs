// Runs before a package is packed. Inside the repository `exports` point to sources; only pnpm replaces them by those of
// `publishConfig`, so a package that another client packs would point to files of TypeScript.
if (!process.env.npm_config_user_agent?.startsWith("pnpm/")) {
  console.error("Pack and publish with pnpm: other clients would publish exports that point to src. Run `pnpm publish`.")
  process.exit(1)
}

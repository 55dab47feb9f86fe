/*
 * Imported before anything of the contract. zod probes for `new Function` when a schema is made;
 * under our Content-Security-Policy that is refused and reported as a violation on every page load.
 */
(globalThis as { __zod_globalConfig?: { jitless: boolean } }).__zod_globalConfig = { jitless: true };

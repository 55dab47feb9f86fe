/** The organization of a local installation, and whoever started it. */
export const LOCAL = { organizationId: "ws_dev", name: "Local", owner: { id: "usr_owner", displayName: "Owner" } } as const;

import { accept, type Decider } from "@signalbox/kernel/decider";

type Said = { readonly type: "message.created"; readonly data: { readonly n: number } };

/** Appends as many events as it is told to, numbered from 0: for tests of what reads a log, not of what is in it. */
export const saying: Decider<null, number, Said, { code: never }> = {
  initial: null,
  decide: (_, count) => accept(...Array.from({ length: count }, (_, n) => ({ type: "message.created" as const, data: { n } }))),
  evolve: () => null,
};

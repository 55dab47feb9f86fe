/* What every anchor promises (port.ts). */
import { expect, test } from "vitest";
import { type Anchor, type AnchoredCheckpoint, AnchorFailed } from "./port.ts";

export interface AnchorUnderTest {
  readonly anchor: Anchor;
  /** A second process on the same place. */
  again(): Anchor;
  /** How many checkpoints have been left there, repeats by an id that names them not counted. */
  effects(): Promise<number>;
  /** Changes, or removes, what lies there. Null where nobody can. */
  readonly tamper: ((checkpoint: AnchoredCheckpoint, ref: string, note: string | null) => Promise<void>) | null;
  /** Cannot be reached, and then can again. */
  break(): Promise<void>;
  mend(): Promise<void>;
}

export const checkpointAt = (position: number, organizationId = "ws_a"): AnchoredCheckpoint => ({
  organizationId,
  position,
  note: `signalbox/${organizationId}\n1\nAAAA\nposition ${position}\ntime 2030-01-01T12:00:00.000Z\n\n— signalbox/${organizationId} AAAA\n`,
  heads: `[{"stream":"room:room_a","seq":${position},"hash":"sha256:00"}]`,
  signedAt: "2030-01-01T12:00:00.000Z",
});
const noteOf = (text: string | null): unknown => (text?.startsWith("{") === true ? (JSON.parse(text) as { note: string }).note : text);

export function anchorConformance(started: () => AnchorUnderTest): void {
  test("what is left is found again by what leaving it returned, and others beside it do not matter", async () => {
    const { anchor } = started();
    const [one, two, other] = [checkpointAt(10), checkpointAt(20), checkpointAt(10, "ws_b")];
    const refs = [await anchor.leave(one), await anchor.leave(two), await anchor.leave(other)];
    if (anchor.read === null) return;
    for (const [i, of] of [one, two, other].entries()) expect(noteOf(await anchor.read({ ...of, ref: refs[i]! }))).toBe(of.note);
    const never = await anchor.read({ organizationId: "ws_a", position: 99, ref: `sha256:${"0".repeat(64)}` });
    expect(never).toBeNull();
  });

  test("left twice, also by another process and at once, it has one effect and one name", async () => {
    const { anchor, again, effects } = started();
    const one = checkpointAt(30);
    const before = await effects();
    const other = again();
    const refs = [await anchor.leave(one), ...(await Promise.all([anchor.leave(one), other.leave(one)]))];
    expect(new Set(refs).size).toBe(1);
    expect(await effects()).toBe(before + 1);
    await other.close();
  });

  test("two processes that leave different ones at once lose neither", async () => {
    const { anchor, again, effects } = started();
    const before = await effects();
    const other = again();
    await Promise.all([anchor.leave(checkpointAt(40)), other.leave(checkpointAt(41)), anchor.leave(checkpointAt(42))]);
    expect(await effects()).toBe(before + 3);
    await other.close();
  });

  test("what was changed or removed there is read as it is now, never as it was", async () => {
    const { anchor, tamper } = started();
    if (tamper === null || anchor.read === null) return;
    const [changed, gone] = [checkpointAt(50), checkpointAt(51)];
    const place = { ...changed, ref: await anchor.leave(changed) };
    const lost = { ...gone, ref: await anchor.leave(gone) };
    await tamper(changed, place.ref, changed.note.replace("position 50", "position 49"));
    expect(noteOf(await anchor.read(place))).not.toBe(changed.note);
    await tamper(gone, lost.ref, null);
    expect(await anchor.read(lost)).toBeNull();
  });

  test("a place that cannot be reached is said in words, and takes it once it can", async () => {
    const under = started();
    const before = await under.effects();
    await under.break();
    const error = await under.anchor.leave(checkpointAt(60)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AnchorFailed);
    expect((error as Error).message).not.toContain("secret");
    await under.mend();
    await under.anchor.leave(checkpointAt(60));
    expect(await under.effects()).toBe(before + 1);
  });

  test("its place is told to people without credentials", () => {
    expect(started().anchor.where).not.toMatch(/secret|whsec|@/);
  });
}

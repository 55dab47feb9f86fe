/*
 * What a Convex deployment needs to hold Signalbox's events: copy this to `convex/signalbox.ts` of your project, and the
 * table to its schema. Signalbox calls both with the deployment's key; internal functions answer to nobody else.
 *
 *   signalbox_events: defineTable({ event_id: v.string(), position: v.number(), type: v.string(), subject: v.string(),
 *                                   hash: v.string(), envelope: v.string() })
 *     .index("by_event", ["event_id"]).index("by_position", ["position"]).index("by_subject", ["subject", "position"])
 */
import { v } from "convex/values";
import { internalMutation, internalQuery } from "./_generated/server";

const event = v.object({
  event_id: v.string(),
  position: v.number(),
  type: v.string(),
  subject: v.string(),
  hash: v.string(),
  envelope: v.string(),
});

/** A repeat replaces what is there: delivery is at least once. */
export const ingest = internalMutation({
  args: { events: v.array(event) },
  handler: async (ctx, { events }) => {
    for (const one of events) {
      const there = await ctx.db
        .query("signalbox_events")
        .withIndex("by_event", (q) => q.eq("event_id", one.event_id))
        .unique();
      if (there === null) await ctx.db.insert("signalbox_events", one);
      else await ctx.db.replace(there._id, one);
    }
    return events.length;
  },
});

export const window = internalQuery({
  args: { from: v.number(), to: v.number() },
  handler: async (ctx, { from, to }) => {
    const rows = await ctx.db
      .query("signalbox_events")
      .withIndex("by_position", (q) => q.gte("position", from).lte("position", to))
      .collect();
    return rows.map(({ position, hash }) => ({ position, hash }));
  },
});

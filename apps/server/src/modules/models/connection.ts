/*
 * A connection to models that people saved, and the organization's default model.
 *
 *   connection:  absent ⇄ save (again: a change), remove
 *   default:     unset ⇄ set, by an empty name
 *
 * Subjects `model_connection:<name>` and `model_default:organization` in the organization's stream.
 */
import type { ModelConnectionEvent, ModelConnectionKind } from "@signalbox/contract/events/models";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { accept, type Decider, refuse, unreachable } from "@signalbox/kernel/decider";

type Of<T extends ModelConnectionEvent["type"]> = Extract<ModelConnectionEvent, { type: T }>;
type ConnectionEvent = Of<"model_connection.saved" | "model_connection.removed">;

export type Connection = { readonly status: "absent" } | { readonly status: "saved"; readonly said: string };
export type ConnectionCommand =
  | {
      readonly type: "save";
      readonly name: string;
      readonly kind: ModelConnectionKind;
      readonly baseUrl: string | undefined;
      readonly hasKey: boolean;
      readonly keyChanged: boolean;
      readonly by: PrincipalId;
    }
  | { readonly type: "remove"; readonly name: string; readonly by: PrincipalId };

const saying = ({ kind, base_url, has_key }: { kind?: string; base_url?: string | undefined; has_key?: boolean }): string =>
  JSON.stringify([kind, base_url ?? null, has_key]);

export const connection: Decider<Connection, ConnectionCommand, ConnectionEvent, { code: "connection_not_found" }> = {
  initial: { status: "absent" },
  decide(state, command) {
    switch (command.type) {
      case "save": {
        const { name, kind, baseUrl, hasKey, keyChanged, by } = command;
        const data = {
          name,
          kind,
          ...(baseUrl === undefined ? {} : { base_url: baseUrl }),
          has_key: hasKey,
          key_changed: keyChanged,
          by,
        };
        if (state.status === "saved" && !keyChanged && state.said === saying(data)) return accept<ConnectionEvent>();
        return accept<ConnectionEvent>({ type: "model_connection.saved", data });
      }
      case "remove":
        if (state.status === "absent") return refuse({ code: "connection_not_found" as const });
        return accept<ConnectionEvent>({ type: "model_connection.removed", data: { name: command.name, by: command.by } });
      default:
        return unreachable(command);
    }
  },
  evolve: (_state, event) =>
    event.type === "model_connection.saved" ? { status: "saved", said: saying(event.data) } : { status: "absent" },
};

export const defaultModel: Decider<
  { readonly model: string | null },
  { readonly model: string | null; readonly by: PrincipalId },
  Of<"model.default_set">,
  never
> = {
  initial: { model: null },
  decide: (state, { model, by }) =>
    state.model === model ? accept() : accept({ type: "model.default_set", data: { ...(model === null ? {} : { model }), by } }),
  evolve: (_state, event) => ({ model: event.data.model ?? null }),
};

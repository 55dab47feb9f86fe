import type { ModelConnectionEvent } from "@signalbox/contract/events/models";
import type { Projection, Recorded } from "@signalbox/eventlog/log";

type Of<T extends ModelConnectionEvent["type"]> = Recorded<Extract<ModelConnectionEvent, { type: T }>>;

/** Changes are rare and by hand: one statement each, in their order. */
export const modelConnections: Projection<ModelConnectionEvent> = {
  name: "models.connections",
  types: ["model_connection.saved", "model_connection.removed", "model.default_set"],
  tables: ["proj_model_connections", "proj_model_defaults"],

  async project(tx, batch) {
    for (const r of batch) {
      if (is(r, "model.default_set")) {
        await tx.query(
          `insert into proj_model_defaults as p (organization_id, model, subject_version) values ($1, $2, $3)
           on conflict (organization_id) do update set model = excluded.model, subject_version = excluded.subject_version
            where p.subject_version < excluded.subject_version`,
          [r.organizationId, r.event.data.model ?? null, r.subjectVersion],
        );
      } else if (is(r, "model_connection.removed")) {
        await tx.query(
          `update proj_model_connections set is_present = false, subject_version = $3 where organization_id = $1 and name = $2 and subject_version < $3`,
          [r.organizationId, r.subjectId, r.subjectVersion],
        );
      } else if (is(r, "model_connection.saved") && r.redaction !== "full") {
        const { kind, base_url, has_key, key_changed } = r.event.data;
        await tx.query(
          `insert into proj_model_connections as p (organization_id, name, kind, base_url, has_key, subject_version, key_version, saved_at, is_present)
           values ($1, $2, $3, $4, $5, $6, $6, $7, true)
           on conflict (organization_id, name) do update
              set kind = excluded.kind, base_url = excluded.base_url, has_key = excluded.has_key, subject_version = excluded.subject_version,
                  key_version = case when $8 then excluded.key_version else p.key_version end,
                  saved_at = case when p.is_present then p.saved_at else excluded.saved_at end, is_present = true
            where p.subject_version < excluded.subject_version`,
          [r.organizationId, r.subjectId, kind, base_url ?? null, has_key, r.subjectVersion, r.occurredAt, key_changed],
        );
      }
    }
  },
};

const is = <T extends ModelConnectionEvent["type"]>(r: Recorded<ModelConnectionEvent>, type: T): r is Of<T> => r.event.type === type;

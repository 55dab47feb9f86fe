/* The contract as OpenAPI 3.1 and as JSON Schema, with every shape that has a name as a named component. */
import { ErrorBody } from "@signalbox/contract/error";
import { EventEnvelope } from "@signalbox/contract/envelope";
import { EVENT_HISTORIES, type EventVersions } from "@signalbox/contract/event-versions";
import { EVENT_SCHEMAS } from "@signalbox/contract/events";
import { ROUTES } from "@signalbox/contract/routes";
import { SHELL_REFUSALS, type Route } from "@signalbox/contract/route";
import { ClientFrame, ServerFrame, SessionDelta } from "@signalbox/contract/sync";
import { z } from "zod";

export interface Schema {
  [key: string]: unknown;
  $ref?: string;
}
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Record<string, Schema> };
  readonly [key: string]: unknown;
}
export interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: Schema }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
  readonly [key: string]: unknown;
}

type Io = "input" | "output";

/** Collects named shapes under `home` (`#/components/schemas/`, `#/$defs/`) while others are converted. */
function createComponents(home: string) {
  const schemas: Record<string, Schema> = {};
  const texts = new Map<string, string>();

  /** A shape that reads otherwise than it is written (defaults) has two components. */
  function name(id: string, io: Io, schema: Schema): string {
    const said = JSON.stringify(schema);
    for (const candidate of [id, `${id}${io === "input" ? "Input" : "Output"}`]) {
      const known = texts.get(candidate);
      if (known === undefined || known === said) {
        texts.set(candidate, said);
        schemas[candidate] = schema;
        return candidate;
      }
    }
    throw new Error(`three shapes are named ${id}`);
  }

  return {
    schemas,
    convert(schema: z.ZodType, io: Io): Schema {
      const {
        $defs = {},
        $schema: _draft,
        ...root
      } = z.toJSONSchema(schema, { io, unrepresentable: "any", target: "draft-2020-12" }) as Schema & { $defs?: Record<string, Schema> };
      const names = new Map<string, string>();
      const relink = (value: unknown): unknown => {
        if (Array.isArray(value)) return value.map(relink);
        if (typeof value !== "object" || value === null) return value;
        return Object.fromEntries(
          Object.entries(value)
            // Closed objects would forbid what evolution is made of: members that a reader does not know yet.
            .filter(([key, member]) => !(key === "additionalProperties" && member === false))
            .map(([key, member]) => [
              key,
              key === "$ref" && typeof member === "string" ? `${home}${named(member.split("/").at(-1)!)}` : relink(member),
            ]),
        );
      };
      const named = (id: string): string => {
        const known = names.get(id);
        if (known !== undefined) return known;
        // A shape that contains itself refers to the name it is about to get.
        names.set(id, id);
        if (id === "#" || id.startsWith("__")) {
          // The only recursive shape without a name of its own is "any JSON value".
          schemas["Json"] = { description: "Any JSON value." };
          names.set(id, "Json");
          return "Json";
        }
        const { id: _own, ...body } = $defs[id] ?? {};
        const final = name(id, io, relink(body) as Schema);
        names.set(id, final);
        return final;
      };
      return relink(root) as Schema;
    },
  };
}

export function openApi(version: string): OpenApi {
  const components = createComponents("#/components/schemas/");
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/:([a-zA-Z_]+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route, components.convert);
  }
  // Frames and events travel outside request and response; they are described here all the same.
  for (const schema of [ErrorBody, EventEnvelope, SessionDelta]) components.convert(schema, "output");
  components.convert(ClientFrame, "input");
  components.convert(ServerFrame, "output");
  return {
    openapi: "3.1.1",
    info: { title: "Signalbox", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: sorted(components.schemas),
      securitySchemes: { token: { type: "http", scheme: "bearer" }, session: { type: "apiKey", in: "cookie", name: "signalbox_session" } },
    } as OpenApi["components"],
  };
}

function operation(route: Route, convert: (schema: z.ZodType, io: Io) => Schema): Operation {
  const parameter = (where: "path" | "query", name: string, schema: z.ZodType) => ({
    name,
    in: where,
    required: where === "path" || !schema.safeParse(undefined).success,
    schema: convert(schema, "input"),
  });
  const media = MEDIA[route.stream ?? "json"];
  const uploaded = route.upload;
  const codes = new Map<number, string[]>();
  for (const [code, status] of [...Object.entries(route.refusals), ...shellRefusals(route)])
    codes.set(status, [...(codes.get(status) ?? []), code]);
  return {
    operationId: route.id,
    summary: route.summary,
    ...(route.access === "public" ? { security: [] } : { "x-access": route.access }),
    parameters: [
      ...Object.entries(route.params?.shape ?? {}).map(([name, schema]) => parameter("path", name, schema as z.ZodType)),
      ...Object.entries(route.query?.shape ?? {}).map(([name, schema]) => parameter("query", name, schema as z.ZodType)),
      ...(route.idempotent === true
        ? [{ name: "Idempotency-Key", in: "header", required: false, schema: { type: "string", maxLength: 200 } }]
        : []),
      ...(route.access === "public" ? [] : [{ name: "x-workspace-id", in: "header", required: false, schema: { type: "string" } }]),
      ...(route.stream === "sse" ? [{ name: "Last-Event-ID", in: "header", required: false, schema: { type: "string" } }] : []),
    ],
    ...(uploaded === undefined ? {} : { requestBody: { required: true, content: { [uploaded]: { schema: BINARY } } } }),
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: convert(route.body, "input") } } } }),
    responses: {
      [route.okStatus ?? 200]: {
        description: "Done.",
        content: { [media]: { schema: route.stream === "bytes" ? BINARY : convert(route.ok, "output") } },
      },
      ...Object.fromEntries(
        [...codes]
          .toSorted(([a], [b]) => a - b)
          .map(([status, names]) => [
            status,
            {
              description: names.toSorted().join(", "),
              content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
            },
          ]),
      ),
    },
  };
}

const MEDIA = {
  sse: "text/event-stream",
  ndjson: "application/x-ndjson",
  bytes: "application/octet-stream",
  json: "application/json",
} as const;
const BINARY: Schema = { type: "string", format: "binary" };

/** Those that the route can meet at all. */
function shellRefusals(route: Route): [string, number][] {
  const never = new Set<string>([
    ...(route.access === "public" ? ["unauthenticated"] : []),
    ...(route.idempotent === true ? [] : ["idempotency_conflict", "idempotency_in_progress"]),
    ...(route.body === undefined && route.upload === undefined ? ["payload_too_large"] : []),
    ...(route.method === "GET" ? ["session_imported"] : []),
    ...(route.query !== undefined && "cursor" in route.query.shape ? [] : ["invalid_cursor"]),
  ]);
  return Object.entries(SHELL_REFUSALS).filter(([code]) => !never.has(code) && !(code in route.refusals));
}

export interface EventDocument {
  readonly events: Record<string, Schema>;
  /** Shapes that a type had before, version 1 first; each is upcast when it is read. */
  readonly past?: Record<string, readonly Schema[]>;
  readonly $defs: Record<string, Schema>;
  readonly [key: string]: unknown;
}

/** `data` by event type. */
export function eventSchemas(
  schemas: ReadonlyMap<string, z.ZodType> = EVENT_SCHEMAS,
  histories: EventVersions = EVENT_HISTORIES,
): EventDocument {
  const components = createComponents("#/$defs/");
  const events: Record<string, Schema> = {};
  for (const [type, schema] of schemas) events[type] = components.convert(schema, "output");
  const past = Object.fromEntries(
    Object.entries(histories).map(([type, history]) => [type, history.past.map(({ schema }) => components.convert(schema, "output"))]),
  );
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Signalbox events: the schema of `data` by type",
    type: "object",
    required: ["type", "data"],
    oneOf: Object.keys(sorted(events)).map((type) => ({ properties: { type: { const: type }, data: { $ref: `#/events/${type}` } } })),
    events: sorted(events),
    ...(Object.keys(past).length === 0 ? {} : { past: sorted(past) }),
    $defs: sorted(components.schemas),
  };
}

const sorted = <T>(record: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));

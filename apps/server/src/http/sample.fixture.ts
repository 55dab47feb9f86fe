/* The least input that a schema takes, so that a route can be asked without knowing what it is about. */
import { z } from "zod";

type Schema = { [key: string]: unknown } & {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  pattern?: string;
  format?: string;
  minLength?: number;
  minimum?: number;
  minItems?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  additionalProperties?: unknown;
};

export function sampleOf(schema: z.ZodType): unknown {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema;
  return make(json, json.$defs ?? {});
}

function make(schema: Schema, defs: Record<string, Schema>): unknown {
  if (schema.$ref !== undefined) return make(defs[schema.$ref.split("/").at(-1)!] ?? {}, defs);
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum !== undefined) return schema.enum[0];
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice !== undefined) return make(choice[0]!, defs);
  if (schema.allOf !== undefined) return Object.assign({}, ...schema.allOf.map((part) => make(part, defs)));
  switch (schema.type) {
    case "object":
      return Object.fromEntries((schema.required ?? []).map((name) => [name, make(schema.properties?.[name] ?? {}, defs)]));
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => make(schema.items ?? {}, defs));
    case "integer":
    case "number":
      return Math.max(0, schema.minimum ?? 0);
    case "boolean":
      return false;
    case "string":
      return text(schema);
    default:
      return null;
  }
}

const ULID = "00000000000000000000000000";

function text({ pattern, format, minLength = 0 }: Schema): string {
  if (format === "date-time") return "2030-01-01T00:00:00.000Z";
  if (format === "uuid") return "01890000-0000-7000-8000-000000000000";
  if (pattern !== undefined) {
    const known = [
      /^\^([a-z]+)_\[0-9A-HJKMNP-TV-Z\]\{26\}\$$/.exec(pattern)?.[1]?.concat("_", ULID),
      "usr_00000000000000000000000000",
      "ws_none",
      `sha256:${"0".repeat(64)}`,
      "example.com",
      `room:room_${ULID}`,
      "0".repeat(40),
      "BCDF-1234",
    ];
    for (const candidate of known) if (candidate !== undefined && new RegExp(pattern).test(candidate)) return candidate;
    throw new Error(`the sampler does not know ${pattern}`);
  }
  return "x".repeat(Math.max(1, minLength));
}

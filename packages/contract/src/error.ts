import { z } from "zod";

/** Every non-2xx JSON answer. `fix` says what the caller can do about it. */
export const ErrorBody = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      fix: z.string().optional(),
      details: z.json().optional(),
      request_id: z.string(),
    }),
  })
  .meta({ id: "Error" });
export type ErrorBody = z.infer<typeof ErrorBody>;

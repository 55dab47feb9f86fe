import type { TokenView } from "@signalbox/contract/identity";
import type { Scope } from "@signalbox/contract/route";
import type { z } from "zod";

export interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly principal_id: string;
  readonly scopes: Scope[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

export const tokenView = (row: TokenRow): z.input<typeof TokenView> => ({
  id: row.id,
  name: row.name,
  principal_id: row.principal_id,
  scopes: row.scopes,
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at?.toISOString() ?? null,
  last_used_at: row.last_used_at?.toISOString() ?? null,
  revoked_at: row.revoked_at?.toISOString() ?? null,
});

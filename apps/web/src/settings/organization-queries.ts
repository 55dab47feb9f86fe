import { getOrganization, listMembers, listOrganizations, listTeams, switchOrganization } from "@signalbox/contract/organizations";
import type { OrganizationId } from "@signalbox/contract/primitives";
import type { Output } from "@signalbox/contract/route";
import { queryOptions } from "@tanstack/react-query";
import { client, queries } from "../data/api.ts";
import { forget } from "../offline/last-known.ts";

export type Member = Output<typeof listMembers>["items"][number];
export type Team = Output<typeof listTeams>["items"][number];

export const organizationQuery = queryOptions({
  queryKey: ["organization"],
  queryFn: ({ signal }) => client.call(getOrganization, { signal }),
});
export const organizationsQuery = queryOptions({
  queryKey: ["organizations"],
  queryFn: ({ signal }) => client.call(listOrganizations, { signal }),
});
export const membersQuery = (q: string) =>
  queryOptions({
    queryKey: ["members", q],
    queryFn: ({ signal }) => client.call(listMembers, { query: { limit: 200, ...(q === "" ? {} : { q }) }, signal }),
    placeholderData: (previous) => previous,
  });
export const teamsQuery = queryOptions({ queryKey: ["teams"], queryFn: ({ signal }) => client.call(listTeams, { signal }) });

export function refreshMembers(): void {
  for (const key of ["members", "teams", "organization", "principals"]) void queries.invalidateQueries({ queryKey: [key] });
}

/** Everything that was read belongs to the organization that is left: nothing of it is kept. */
export async function moveTo(organizationId: OrganizationId): Promise<void> {
  await client.call(switchOrganization, { body: { organization_id: organizationId } });
  await startAnew();
}
export async function startAnew(): Promise<void> {
  queries.clear();
  await forget();
  window.location.assign("/");
}

import type { SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { repositoryName } from "@signalbox/ui/format";
import { SearchInput } from "@signalbox/ui/search-input";
import { ToggleGroup } from "@signalbox/ui/segmented-control";
import { Select } from "@signalbox/ui/select";
import { useQuery } from "@tanstack/react-query";
import { SlidersHorizontal, X } from "lucide-react";
import { useState, type Ref } from "react";
import { modelsQuery } from "../../data/queries.ts";
import { recentRepositoriesQuery } from "../start/use-repository.ts";
import { GROUP_NAMES, GROUPS, groupsOf, isNarrowed, OUTCOMES, sortOf, SORTS, type ListSearch, type Outcome } from "./filters.ts";

interface FilterBarProps {
  search: ListSearch;
  sessions: readonly SessionView[];
  searchRef: Ref<HTMLInputElement>;
  onChange(what: ListSearch): void;
}

const unique = (values: readonly string[]): string[] => [...new Set(values)].sort((a, b) => a.localeCompare(b));

/** Everything that narrows and orders the list, as it stands in the address. */
export function FilterBar({ search, sessions, searchRef, onChange }: FilterBarProps) {
  const [isOpen, setOpen] = useState(search.model !== undefined || search.repository !== undefined || search.outcome !== undefined);
  const { data: models } = useQuery({ ...modelsQuery, enabled: isOpen });
  const { data: recent } = useQuery({ ...recentRepositoriesQuery, enabled: isOpen });
  const groups = groupsOf(search.status);
  const modelIds = unique([
    ...(models?.items.map(({ id }) => id) ?? []),
    ...sessions.map(({ model }) => model),
    ...(search.model === undefined ? [] : [search.model]),
  ]);
  const urls = unique([
    ...(recent?.items.map(({ url }) => url) ?? []),
    ...sessions.flatMap(({ source }) => (source.type === "repository" ? [source.url] : [])),
    ...(search.repository === undefined ? [] : [search.repository]),
  ]);
  const orNone = (value: string): string | undefined => (value === "" ? undefined : value);
  return (
    <div className="mb-3 space-y-2.5">
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          ref={searchRef}
          label="Search sessions"
          keys="/"
          value={search.q ?? ""}
          onChange={(q) => onChange({ q: orNone(q) })}
          className="min-w-52 flex-1 sm:max-w-sm"
        />
        <Select
          small
          aria-label="Order"
          value={sortOf(search.sort)}
          onChange={(sort) => onChange({ sort: sort === "created_at" ? undefined : sort })}
          options={Object.entries(SORTS).map(([value, label]) => ({ value: value as keyof typeof SORTS, label }))}
        />
        <Button size="sm" className="h-8" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <SlidersHorizontal size={14} aria-hidden /> Filters
        </Button>
      </div>
      <div className="flex flex-wrap items-center gap-1.5 narrow:-mx-4 narrow:flex-nowrap narrow:overflow-x-auto narrow:px-4 narrow:py-1 narrow:[scrollbar-width:none] narrow:[&_button]:shrink-0 narrow:[&>div]:shrink-0 narrow:[&>div]:flex-nowrap">
        <ToggleGroup
          label="State"
          segments={GROUP_NAMES.map((value) => ({ value, label: GROUPS[value].label }))}
          values={groups}
          onChange={(next) => onChange({ status: orNone(GROUP_NAMES.filter((name) => next.includes(name)).join(",")) })}
        />
        <span aria-hidden className="mx-1 h-5 w-px bg-line narrow:hidden" />
        <ToggleGroup
          label="Whose, and where"
          segments={[
            { value: "me", label: "Mine" },
            { value: "archived", label: "Archived" },
          ]}
          values={[...(search.by === "me" ? (["me"] as const) : []), ...(search.archived === true ? (["archived"] as const) : [])]}
          onChange={(next) =>
            onChange({ by: next.includes("me") ? "me" : undefined, archived: next.includes("archived") ? true : undefined })
          }
        />
        {isNarrowed(search) && (
          <Button
            size="sm"
            look="quiet"
            onClick={() =>
              onChange({ q: undefined, status: undefined, model: undefined, repository: undefined, outcome: undefined, by: undefined })
            }
          >
            <X size={14} aria-hidden /> Show all
          </Button>
        )}
      </div>
      {isOpen && (
        <div className="grid gap-2 sm:grid-cols-3">
          <Select
            small
            aria-label="Model"
            value={search.model ?? ""}
            onChange={(model) => onChange({ model: orNone(model) })}
            options={[{ value: "", label: "Any model" }, ...modelIds.map((id) => ({ value: id, label: id }))]}
          />
          <Select
            small
            aria-label="Repository"
            value={search.repository ?? ""}
            onChange={(repository) => onChange({ repository: orNone(repository) })}
            options={[{ value: "", label: "Any repository" }, ...urls.map((url) => ({ value: url, label: labelOf(url, urls) }))]}
          />
          <Select
            small
            aria-label="Outcome"
            value={search.outcome ?? ""}
            onChange={(outcome) => onChange({ outcome: orNone(outcome) })}
            options={[
              { value: "", label: "Any outcome" },
              ...(Object.keys(OUTCOMES) as Outcome[]).map((value) => ({ value: value as string, label: OUTCOMES[value] })),
            ]}
          />
        </div>
      )}
    </div>
  );
}

/** The name, and the whole address where two are called the same. */
function labelOf(url: string, all: readonly string[]): string {
  const name = repositoryName(url);
  return all.some((other) => other !== url && repositoryName(other) === name) ? `${name} (${url})` : name;
}

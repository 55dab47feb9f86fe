/* Where an agent works: a repository by path or address, looked at as one types, or an empty folder. */
import { createSample } from "@signalbox/contract/system";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { Field, Input } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Check, FlaskConical, Folder, FolderOpen, GitBranch, LoaderCircle, TriangleAlert } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { client } from "../../data/api.ts";
import type { Draft } from "./draft.ts";
import { FolderBrowser } from "./folder-browser.tsx";
import { recentRepositoriesQuery, useRepository } from "./use-repository.ts";

export type Sample = Output<typeof createSample>;
const RECENT = 4;

interface RepositoryPickerProps {
  draft: Draft;
  onChange(what: Partial<Draft>): void;
  /** A sample was made; its task comes with it. */
  onSample(sample: Sample): void;
  /** What the server said about the place when the session was to be started. */
  refused?: string | undefined;
  /** Make a sample at once. */
  withSample?: boolean;
}

const SOURCES = [
  { value: "repository", label: "A repository", icon: GitBranch },
  { value: "scratch", label: "An empty folder", icon: Folder },
] as const;

export function RepositoryPicker({ draft, onChange, onSample, refused, withSample = false }: RepositoryPickerProps) {
  const [isBrowsing, setBrowsing] = useState(false);
  const sample = useMutation({ mutationFn: () => client.call(createSample, { body: {} }), onSuccess: onSample });
  const { mutate: makeSample } = sample;
  const wanted = useRef(withSample);
  useEffect(() => {
    if (!wanted.current) return;
    wanted.current = false;
    makeSample();
  }, [makeSample]);
  const isRepository = draft.source === "repository";
  const looked = useRepository(isRepository ? draft.url : "");
  const { found, error } = looked;
  const wrong =
    refused ?? (error === null ? undefined : `${error.message}${"fix" in error && typeof error.fix === "string" ? ` ${error.fix}` : ""}`);

  return (
    <div className="space-y-3">
      <fieldset>
        <legend className="mb-1.5 text-sm font-semibold">Where it works</legend>
        <div className="grid grid-cols-2 gap-2">
          {SOURCES.map(({ value, label, icon: Icon }) => (
            <label
              key={value}
              className="flex cursor-pointer items-center gap-2.5 rounded-md border border-line-strong px-3 py-2 text-sm has-checked:border-ink has-checked:bg-raised has-checked:font-semibold has-focus-visible:outline-2"
            >
              <input
                type="radio"
                name="source"
                className="sr-only"
                checked={draft.source === value}
                onChange={() => onChange({ source: value })}
              />
              <Icon size={16} aria-hidden className="text-ink-3" /> {label}
            </label>
          ))}
        </div>
      </fieldset>
      {!isRepository && <p className="text-sm text-ink-2">The agent begins with nothing, in a folder of its own inside the sandbox.</p>}
      {isRepository && (
        <>
          <div className="grid items-start gap-3 sm:grid-cols-[1fr_11rem]">
            <Field
              label="Repository"
              error={wrong}
              hint={looked.isLooking || found !== undefined ? undefined : "A path on the server's machine, or an http(s) URL."}
            >
              {(props) => (
                <Input
                  {...props}
                  required
                  data-focus
                  spellCheck={false}
                  autoComplete="off"
                  placeholder="/home/you/project"
                  value={draft.url}
                  onChange={(event) => onChange({ url: event.target.value, ref: "" })}
                />
              )}
            </Field>
            <Field label="Branch">
              {(props) => (
                <Combobox
                  {...props}
                  isFree
                  value={draft.ref}
                  onChange={(ref) => onChange({ ref })}
                  placeholder={found?.default_branch ?? "The default one"}
                  options={(found?.branches ?? []).map((branch) => ({
                    value: branch,
                    label: branch,
                    ...(branch === found?.default_branch ? { detail: "default" } : {}),
                  }))}
                />
              )}
            </Field>
          </div>
          <Found looked={looked} />
          <Places
            url={draft.url}
            isMaking={sample.isPending}
            isBrowsing={isBrowsing}
            onBrowse={() => setBrowsing(!isBrowsing)}
            onSample={() => makeSample()}
            onChoose={(url) => onChange({ url, ref: "" })}
          />
          {isBrowsing && (
            <FolderBrowser
              onClose={() => setBrowsing(false)}
              onChoose={(url) => {
                onChange({ url, ref: "" });
                setBrowsing(false);
              }}
            />
          )}
        </>
      )}
      {sample.error !== null && <Trouble error={sample.error} />}
    </div>
  );
}

/** What was found there, said once and quietly. */
function Found({ looked: { found, isLooking } }: { looked: ReturnType<typeof useRepository> }) {
  return (
    <div role="status" className="space-y-1.5 text-sm empty:hidden">
      {isLooking && found === undefined && (
        <p className="flex items-center gap-2 text-ink-3">
          <LoaderCircle size={14} aria-hidden className="turning" /> Looking at it…
        </p>
      )}
      {found !== undefined && (
        <p className="flex items-start gap-2 text-clear-ink">
          <Check size={14} aria-hidden className="mt-0.5 shrink-0" />
          <span className="min-w-0 wrap-anywhere">
            <strong className="font-semibold">{found.name}</strong>
            <span className="text-ink-2">
              {" "}
              ·{" "}
              {found.branches_truncated
                ? `more than ${found.branches.length} branches`
                : count(found.branches.length, "branch", "branches")}
              {found.default_branch !== null && `, ${found.default_branch} by default`} · at{" "}
              <code className="font-mono">{found.head_commit.slice(0, 8)}</code>
            </span>
          </span>
        </p>
      )}
      {found?.dirty_files != null && found.dirty_files > 0 && (
        <p className="flex items-start gap-2 rounded-md border border-line bg-sunken px-3 py-2 text-ink-2">
          <TriangleAlert size={14} aria-hidden className="mt-0.5 shrink-0" />
          <span>
            <strong className="font-semibold text-ink">{count(found.dirty_files, "file")} with uncommitted changes.</strong> An agent gets a
            clone of what is committed. {found.suggestion}
          </span>
        </p>
      )}
    </div>
  );
}

function Places(props: {
  url: string;
  isMaking: boolean;
  isBrowsing: boolean;
  onBrowse(): void;
  onSample(): void;
  onChoose(url: string): void;
}) {
  const { data: recent } = useQuery(recentRepositoriesQuery);
  const shown = (recent?.items ?? []).filter(({ url }) => url !== props.url.trim()).slice(0, RECENT);
  return (
    <div className="flex flex-wrap items-center gap-1.5">
      <Button size="sm" aria-expanded={props.isBrowsing} onClick={props.onBrowse}>
        <FolderOpen size={14} aria-hidden /> Browse
      </Button>
      <Button size="sm" busy={props.isMaking} onClick={props.onSample}>
        <FlaskConical size={14} aria-hidden /> Make a sample
      </Button>
      {shown.length > 0 && (
        <span className="flex flex-wrap items-center gap-1.5">
          <span className="plate ml-2 narrow:ml-0">Recent</span>
          {shown.map(({ url, name }) => (
            <Button key={url} size="sm" look="quiet" title={url} onClick={() => props.onChoose(url)} className="max-w-48">
              <span className="clamp-1">{name}</span>
            </Button>
          ))}
        </span>
      )}
    </div>
  );
}
